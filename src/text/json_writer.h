#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// Builds one JSON document (RFC 8259) in memory, with keys in the order of the calls. Owns its text; one thread. A
/// misplaced call (a value without its key, a wrong end) is a defect and ends the process. take() ends the document.
class JsonWriter {
public:
    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    /// Writes a string. Bytes that are not UTF-8 become U+FFFD.
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(std::same_as<bool> auto flag) { return raw(flag ? "true" : "false"); }
    JsonWriter& value(double number);  ///< the shortest text that reads back the same; null if it is not finite
    template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>) JsonWriter& value(T number) {
        char text[24];
        const auto end = std::to_chars(text, text + sizeof text, number).ptr;
        return raw({text, static_cast<std::size_t>(end - text)});
    }
    JsonWriter& null() { return raw("null"); }
    /// Writes a value that is JSON already.
    JsonWriter& json(std::string_view text) { return raw(text); }

    /// Calls key() and value().
    template <typename T>
    JsonWriter& field(std::string_view name, const T& content) {
        return key(name).value(content);
    }

    /// Returns the finished document.
    [[nodiscard]] std::string take();

private:
    enum class Place : unsigned char { array, object, after_key };

    JsonWriter& raw(std::string_view text);
    void begin_value();
    void end_value();
    void open(char bracket, Place place);
    void close(char bracket, Place place);
    void separate();

    std::string text_;
    std::vector<Place> places_;
    bool first_ = true;  // in the innermost object or array
    bool done_ = false;
};

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. Pure.
void append_json_text(std::string& out, std::string_view text);

}  // namespace holdfast
