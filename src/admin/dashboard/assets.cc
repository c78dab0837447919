#include "admin/dashboard/assets.h"

#include "admin/dashboard/embedded.h"

namespace holdfast {
namespace {

std::string_view type_of(std::string_view path) {
    if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
    if (path.ends_with(".css")) return "text/css; charset=utf-8";
    if (path.ends_with(".svg")) return "image/svg+xml";
    return "text/html; charset=utf-8";
}

}  // namespace

std::optional<Asset> dashboard_asset(std::string_view path) {
    for (const EmbeddedFile& file : embedded_files()) {
        if (file.path != path) continue;
        return Asset{
            .body = {reinterpret_cast<const char*>(file.bytes), file.size}, .type = type_of(path), .etag = file.etag};
    }
    return std::nullopt;
}

}  // namespace holdfast
