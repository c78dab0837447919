#include "api/dashboard/assets.h"

#include <array>
#include <charconv>
#include <string>

#include "model/reason_row.h"

namespace holdfast {
namespace {

std::string_view type_of(std::string_view path) {
    if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
    if (path.ends_with(".css")) return "text/css; charset=utf-8";
    if (path.ends_with(".svg")) return "image/svg+xml";
    return "text/html; charset=utf-8";
}

/// Appends a color scheme's custom properties: --kind-peer, --reason-peer_closed, ...
void append_colors(std::string& css, std::string_view SchemeColors::*scheme) {
    const auto add = [&](const char* prefix, std::string_view word, const SchemeColors& color) {
        css.append(prefix).append(word).append(": ").append(color.*scheme).append(";\n");
    };
    css += ":root {\n";
    for (const ReasonKindRow& row : reason_kind_rows()) add("  --kind-", row.word, row.color);
    for (const ReasonRow& row : reason_rows()) add("  --reason-", row.word, row.color);
    css += "}\n";
}

std::string reason_colors() {
    std::string css;
    append_colors(css, &SchemeColors::light);
    css += "@media (prefers-color-scheme: dark) {\n";
    append_colors(css, &SchemeColors::dark);
    css += "}\n";
    for (const ReasonKindRow& row : reason_kind_rows()) {
        css.append("[data-kind=\"")
            .append(row.word)
            .append("\"] { --kind: var(--kind-")
            .append(row.word)
            .append("); }\n");
    }
    return css;
}

std::string reason_table() {
    std::string js = "export const kinds = [";
    for (const ReasonKindRow& row : reason_kind_rows()) js.append("'").append(row.word).append("', ");
    js += "];\nexport const kindOfReason = new Map([\n";
    for (const ReasonRow& row : reason_rows()) {
        js.append("  ['").append(row.word).append("', '").append(to_string(row.kind)).append("'],\n");
    }
    return js + "]);\n";
}

/// A file that follows from a table of the program. The etag is the FNV-1a hash of its text.
struct GeneratedFile {
    GeneratedFile(std::string_view served_at, std::string text) : path(served_at), body(std::move(text)) {
        std::uint64_t hash = 0xcbf29ce484222325;
        for (const char byte : body) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
        std::array<char, 16> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr;
        const std::string_view shortest(digits.data(), end);
        etag = '"' + std::string(digits.size() - shortest.size(), '0').append(shortest) + '"';
    }

    std::string_view path;
    std::string body;
    std::string etag;
};

}  // namespace

std::optional<Asset> dashboard_asset(std::string_view path) {
    static const std::array generated{GeneratedFile("/dashboard/reason_colors.css", reason_colors()),
                                      GeneratedFile("/dashboard/reason_table.js", reason_table())};
    for (const GeneratedFile& file : generated) {
        if (file.path == path) return Asset{.body = file.body, .type = type_of(path), .etag = file.etag};
    }
    for (const EmbeddedFile& file : embedded_files()) {
        if (file.path != path) continue;
        return Asset{
            .body = {reinterpret_cast<const char*>(file.bytes), file.size}, .type = type_of(path), .etag = file.etag};
    }
    return std::nullopt;
}

}  // namespace holdfast
