#pragma once

#include <ostream>
#include <streambuf>
#include <string>

namespace holdfast {

/// Makes all that a stream of text writes safe for a terminal, by printable_lines(). Every verb writes through one of
/// std::cout and one of std::cerr, so that no text from outside bypasses it. Lets the bold titles of a table pass. One
/// thread.
class SafeOutput final : std::streambuf {
public:
    explicit SafeOutput(std::ostream& stream) : stream_(stream), to_(stream.rdbuf(this)) {}
    SafeOutput(const SafeOutput&) = delete;
    SafeOutput& operator=(const SafeOutput&) = delete;
    /// Writes the rest and gives the stream its former buffer.
    ~SafeOutput() override;

private:
    int_type overflow(int_type next) override;
    std::streamsize xsputn(const char* text, std::streamsize size) override;
    int sync() override;
    [[nodiscard]] bool write(std::string_view text);
    [[nodiscard]] bool write_pending();

    std::ostream& stream_;
    std::streambuf* const to_;
    std::string pending_;  // from the start of a line
};

}  // namespace holdfast
