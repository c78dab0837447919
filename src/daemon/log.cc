#include "daemon/log.h"

#include <algorithm>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "codec/event_writer.h"
#include "text/json_writer.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds one_second{1};
const std::string all_others = "various";

}  // namespace

LogLimiter::State& LogLimiter::state_of(const std::string& cause, SteadyTime now) {
    if (const auto known = causes_.find(cause); known != causes_.end()) return known->second;
    if (causes_.size() >= max_causes) {
        std::erase_if(causes_, [now](const auto& each) {
            return each.second.held == 0 && now - each.second.second >= one_second;
        });
    }
    return causes_[causes_.size() < max_causes ? cause : all_others];
}

bool LogLimiter::pass(const std::string& cause, LogLevel level, SteadyTime now) {
    State& state = state_of(cause, now);
    if (state.passed == 0 || now - state.second >= one_second) {
        state.second = now;
        state.passed = 0;
    }
    if (state.passed < lines_per_second) {
        ++state.passed;
        return true;
    }
    if (state.held++ == 0) {
        state.held_since = now;
        state.level = level;
    }
    state.level = std::max(state.level, level);
    return false;
}

std::vector<LogLimiter::Held> LogLimiter::take_due(SteadyTime now, bool all) {
    std::vector<Held> due;
    for (auto& [cause, state] : causes_) {
        if (state.held == 0 || (!all && now - state.held_since < report_every)) continue;
        const auto over = std::max(std::chrono::ceil<std::chrono::seconds>(now - state.held_since), one_second);
        due.push_back({.cause = cause, .level = state.level, .count = state.held, .over = over});
        state.held = 0;
    }
    std::sort(due.begin(), due.end(), [](const Held& a, const Held& b) { return a.cause < b.cause; });
    return due;
}

namespace {

/// Returns the value unquoted if that is unambiguous, and quoted otherwise.
std::string field_value(std::string_view value) {
    const bool bare = !value.empty() && std::all_of(value.begin(), value.end(),
                                                    [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '='; });
    if (bare) return std::string(value);
    std::string quoted;
    append_json_text(quoted, value);
    return quoted;
}

/// Returns the key by which LogLimiter counts lines. Includes only the fields that have few values.
std::string cause_of(std::string_view what, Log::Fields fields) {
    std::string cause(what);
    for (const auto& [name, value] : fields) {
        if (name == "listener" || name == "alarm") cause.append(" ").append(name).append("=").append(value);
    }
    return cause;
}

void use_standard_error() {
    auto logger = std::make_shared<spdlog::logger>("holdfast", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace

Log::Log(const LogConfig& config) : Log(config, system_clock_) {}

Log::Log(const LogConfig& config, const Clock& clock) : clock_(clock), level_(config.level), format_(config.format) {
    use_standard_error();
}

Log::Log(const LogConfig& config, std::function<void(std::string_view)> write)
    : clock_(system_clock_), level_(config.level), format_(config.format), write_(std::move(write)) {}

void Log::change(const LogConfig& config) {
    level_ = config.level;
    format_ = config.format;
}

void Log::write(LogLevel level, std::string_view what, Fields fields) {
    if (level < level_) return;
    {
        const std::lock_guard lock(mutex_);
        if (!limiter_.pass(cause_of(what, fields), level, clock_.steady())) return;
    }
    put(level, what, fields);
}

void Log::report_held(bool all) {
    std::vector<LogLimiter::Held> due;
    {
        const std::lock_guard lock(mutex_);
        due = limiter_.take_due(clock_.steady(), all);
    }
    for (const LogLimiter::Held& held : due) {
        if (held.level < level_) continue;
        const std::string count = std::to_string(held.count);
        const std::string over = std::to_string(held.over.count());
        put(held.level, count + " more like this in the last " + over + " s", {{"like", held.cause}});
    }
}

void Log::put(LogLevel level, std::string_view what, Fields fields) const {
    std::string line;
    append_time(line, clock_.wall());
    if (format_ == LogFormat::json) {
        JsonWriter json;
        json.begin_object().field("at", line).field("level", to_string(level)).field("message", what);
        for (const auto& [name, value] : fields) json.field(name, value);
        line = json.end_object().take();
    } else {
        line += " " + std::string(to_string(level)) + " " + printable(what);
        for (const auto& [name, value] : fields) line += " " + std::string(name) + "=" + field_value(value);
    }
    if (write_) return write_(line);
    spdlog::default_logger_raw()->log(spdlog::level::critical, line);
}

}  // namespace holdfast
