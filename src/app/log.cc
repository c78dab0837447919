#include "app/log.h"

#include <algorithm>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/printable.h"
#include "codec/event_writer.h"

namespace holdfast {

namespace {

std::string_view word(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warn:
            return "warn";
        case LogLevel::error:
            return "error";
    }
    return "";
}

std::string time_now() {
    std::string text;
    append_time(text, SystemClock().wall());
    return text;
}

/// Bare where that is unambiguous, else quoted.
std::string field_value(std::string_view value) {
    const bool bare = !value.empty() && std::all_of(value.begin(), value.end(),
                                                    [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '='; });
    if (bare) return std::string(value);
    std::string quoted;
    append_json_text(quoted, value);
    return quoted;
}

}  // namespace

Log::Log(const LogConfig& config) : level_(config.level), format_(config.format) {
    auto logger = std::make_shared<spdlog::logger>("holdfast", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

void Log::write(LogLevel level, std::string_view what, Fields fields) {
    if (level < level_) return;
    std::string line;
    if (format_ == LogFormat::json) {
        JsonWriter json;
        json.begin_object().field("at", time_now()).field("level", word(level)).field("message", what);
        for (const auto& [name, value] : fields) json.field(name, value);
        line = json.end_object().take();
    } else {
        line = time_now() + " " + std::string(word(level)) + " " + printable(what);
        for (const auto& [name, value] : fields) line += " " + std::string(name) + "=" + field_value(value);
    }
    spdlog::default_logger_raw()->log(spdlog::level::critical, line);
}

}  // namespace holdfast
