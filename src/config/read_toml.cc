#include <algorithm>
#include <string>
#include <utility>

#include <toml++/toml.h>

#include "base/nearest.h"
#include "config/draft.h"
#include "text/printable.h"

namespace holdfast {
namespace {

std::uint32_t line_of(const toml::key& key, const toml::node& node) {
    const auto line = node.source().begin.line;
    return line != 0 ? line : key.source().begin.line;
}

RawValue raw_value(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* flag = node.as_boolean()) return flag->get();
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* list = node.as_array()) {
        std::vector<std::string> texts;
        for (const toml::node& element : *list) {
            if (!element.is_string()) return Other{"a list with values other than texts"};
            texts.push_back(element.as_string()->get());
        }
        return texts;
    }
    if (node.is_table()) return Other{"a table"};
    return Other{"a date or time"};
}

std::vector<std::string_view> known_keys(Section section) {
    std::vector<std::string_view> keys;
    for (const Option& option : all_options()) {
        if (option.section == section) keys.push_back(option.key);
    }
    return keys;
}

/// Returns the only section that has this key, or nullopt if none or several have it.
std::optional<Section> home_of(std::string_view key) {
    std::optional<Section> home;
    for (const Option& option : all_options()) {
        if (option.key != key) continue;
        if (home) return std::nullopt;
        home = option.section;
    }
    return home;
}

std::string advice(Section section, std::string_view key) {
    if (const auto home = home_of(key)) {
        return *home == Section::top ? "move it to the top of the file, before the first section"
                                     : "move it to" + in_section(*home).substr(3);
    }
    const auto known = known_keys(section);
    if (const auto near = nearest_word(key, known)) return "did you mean " + in_quotes(*near) + "?";
    std::string keys;
    for (const std::string_view name : known) keys += (keys.empty() ? "" : ", ") + std::string(name);
    return "known keys: " + keys;
}

class Reader {
public:
    explicit Reader(Draft& draft) : draft_(draft) {}

    void read(const toml::table& root) {
        for (const auto& [key, node] : root) read_top(key, node);
    }

private:
    void read_top(const toml::key& key, const toml::node& node) {
        const std::string_view name = key.str();
        const auto section = find_section(name);
        if (section == Section::listener) {
            read_listeners(key, node);
        } else if (section && node.is_table()) {
            read_section(*section, 0, *node.as_table());
        } else if (section) {
            draft_.error_at(line_of(key, node), std::string(name) + " is a section; write [" + std::string(name) +
                                                    "] and its keys below it");
        } else if (find_option(Section::top, name) == nullptr && (node.is_table() || is_array_of_tables(node))) {
            unknown_section(key, node);
        } else {
            read_option(Section::top, 0, key, node);
        }
    }

    static bool is_array_of_tables(const toml::node& node) {
        return node.is_array() && node.as_array()->is_homogeneous(toml::node_type::table);
    }

    static std::string all_sections() {
        std::string all;
        for (const std::string_view name : section_names()) {
            all += (all.empty()                      ? ""
                    : name == section_names().back() ? " and"
                                                     : ",") +
                   in_section(*find_section(name)).substr(3);
        }
        return all.substr(1);
    }

    void unknown_section(const toml::key& key, const toml::node& node) {
        const std::uint32_t line = line_of(key, node);
        const std::string name = "[" + printable(key.str()) + "]";
        const auto near = nearest_word(key.str(), section_names());
        const std::string hint = near ? "did you mean" + in_section(*find_section(*near)).substr(3) + "?"
                                      : "known sections: " + all_sections();
        draft_.error_at(line, "unknown section " + name + "; " + hint);
    }

    void read_listeners(const toml::key& key, const toml::node& node) {
        if (!is_array_of_tables(node)) {
            draft_.error_at(line_of(key, node),
                            "listener is a list of sections; write [[listener]], with two brackets");
            return;
        }
        auto& listeners = draft_.loaded.config.server.listeners;
        listeners.clear();
        for (const toml::node& element : *node.as_array()) {
            listeners.emplace_back();
            draft_.listener_lines.push_back(line_of(key, element));
            read_section(Section::listener, listeners.size() - 1, *element.as_table());
        }
    }

    void read_section(Section section, std::size_t listener, const toml::table& table) {
        for (const auto& [key, node] : table) read_option(section, listener, key, node);
    }

    void read_option(Section section, std::size_t listener, const toml::key& key, const toml::node& node) {
        const std::string_view name = key.str();
        const std::uint32_t line = line_of(key, node);
        const Option* option = find_option(section, name);
        if (option == nullptr) {
            unknown_key(section, name, line);
            return;
        }
        const Spot spot{option, listener};
        draft_.loaded.origins[spot] = Origin{line, {}};
        if (const auto complaint = store_value(*option, draft_.object(*option, listener), raw_value(node))) {
            draft_.failed.insert(spot);
            draft_.error_at(line, std::string(name) + in_section(section) + ": " + *complaint);
        }
    }

    void unknown_key(Section section, std::string_view name, std::uint32_t line) {
        const std::string subject = in_quotes(name) + in_section(section);
        draft_.error_at(line, "unknown key " + subject + "; " + advice(section, name));
    }

    Draft& draft_;
};

/// Returns the parser's description for one line of a terminal. The parser escapes ASCII control characters itself, so
/// backslashes stay single.
std::string one_line_of(std::string_view description) {
    std::string text = printable(description);
    for (std::size_t at = 0; (at = text.find("\\\\", at)) != std::string::npos; ++at) text.erase(at, 1);
    return text;
}

}  // namespace

void read_toml(std::string_view text, Draft& draft) {
    try {
        Reader(draft).read(toml::parse(text, draft.loaded.file));
    } catch (const toml::parse_error& error) {
        draft.error_at(error.source().begin.line,
                       "this is not TOML: " + one_line_of(error.description()) + "; correct the line");
    }
}

}  // namespace holdfast
