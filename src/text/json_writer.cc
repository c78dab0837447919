#include "text/json_writer.h"

#include <cmath>
#include <utility>

#include "base/check.h"
#include "text/printable.h"

namespace holdfast {
namespace {

void append_escaped(std::string& out, char32_t c) {
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    append_json_unsafe(out, c);
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
    out.push_back('"');
    while (!text.empty()) {
        const CodePoint point = next_code_point(text);
        const bool plain = !is_unsafe(point.value) && point.value != '"' && point.value != '\\';
        if (point.size == 0) {
            out += "\xEF\xBF\xBD";
        } else if (plain) {
            out += text.substr(0, point.size);
        } else {
            append_escaped(out, point.value);
        }
        text.remove_prefix(point.size == 0 ? 1 : point.size);
    }
    out.push_back('"');
}

JsonWriter& JsonWriter::begin_object() {
    open('{', Place::object);
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    close('}', Place::object);
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    open('[', Place::array);
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    close(']', Place::array);
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    HOLDFAST_CHECK(!places_.empty() && places_.back() == Place::object);
    separate();
    append_json_text(text_, name);
    text_.push_back(':');
    places_.push_back(Place::after_key);
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    begin_value();
    append_json_text(text_, text);
    end_value();
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    if (!std::isfinite(number)) return null();
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return raw({text, static_cast<std::size_t>(end - text)});
}

std::string JsonWriter::take() {
    HOLDFAST_CHECK(done_ && places_.empty());
    return std::move(text_);
}

JsonWriter& JsonWriter::raw(std::string_view text) {
    begin_value();
    text_ += text;
    end_value();
    return *this;
}

void JsonWriter::begin_value() {
    HOLDFAST_CHECK(!done_);
    if (places_.empty()) return;
    HOLDFAST_CHECK(places_.back() != Place::object);
    if (places_.back() == Place::array) separate();
}

void JsonWriter::end_value() {
    if (!places_.empty() && places_.back() == Place::after_key) places_.pop_back();
    first_ = false;
    done_ = places_.empty();
}

void JsonWriter::open(char bracket, Place place) {
    begin_value();
    text_.push_back(bracket);
    places_.push_back(place);
    first_ = true;
}

void JsonWriter::close(char bracket, Place place) {
    HOLDFAST_CHECK(!places_.empty() && places_.back() == place);
    text_.push_back(bracket);
    places_.pop_back();
    end_value();
}

void JsonWriter::separate() {
    if (!first_) text_.push_back(',');
    first_ = false;
}

}  // namespace holdfast
