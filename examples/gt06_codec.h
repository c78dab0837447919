// A codec of the GT06 protocol of GPS trackers: 0x78 0x78, length, kind, content, serial, CRC, 0x0d 0x0a. Trackers log
// in with their IMEI and wait for the answer. Positions become items of JSON.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <holdfast/codec.h>

class Gt06Codec final : public holdfast::Codec {
public:
    holdfast::Frame next(std::span<const char> window, holdfast::CodecStream& stream) override {
        using Kind = holdfast::Frame::Kind;
        const std::string_view bytes(window.data(), window.size());
        if (!bytes.starts_with(std::string_view("\x78\x78").substr(0, bytes.size()))) {
            const std::size_t start = bytes.find("\x78\x78", 1);  // the next frame
            const std::size_t end = start == bytes.npos ? bytes.size() : start;
            return {Kind::malformed, 0, end, end};
        }
        if (bytes.size() < 3) return {};  // partial, from 0
        const std::size_t length = number(bytes.substr(2), 1);
        const std::size_t size = 2 + 1 + length + 2;
        if (bytes.size() < size) return {};
        if (length < 5 || crc(bytes.substr(2, length - 1)) != number(bytes.substr(size - 4), 2))
            return {Kind::malformed, 0, size, size};
        const auto kind = static_cast<unsigned char>(bytes[3]);
        const std::string_view content = bytes.substr(4, length - 5);
        const std::string_view serial = bytes.substr(size - 6, 2);
        if (kind == login_kind && content.size() >= 8) {
            stream.id = read_imei(content);
            stream.answer = answer(login_kind, serial);
            return {Kind::login, 0, size, size};
        }
        if (kind == status_kind) stream.answer = answer(status_kind, serial);
        if (kind != position_kind || content.size() < 18) return {Kind::skipped, 0, size, size};
        stream.item = position(content, stream.device.id);
        stream.key = stream.device.id;
        return {Kind::item, 0, size, size};
    }

private:
    static constexpr unsigned char login_kind = 0x01, position_kind = 0x12, status_kind = 0x13;

    static std::uint32_t number(std::string_view bytes, std::size_t size) {
        std::uint32_t value = 0;
        for (const char byte : bytes.substr(0, size)) value = value << 8 | static_cast<unsigned char>(byte);
        return value;
    }

    /// Returns the CRC-16/X-25 of the length up to the serial number.
    static std::uint16_t crc(std::string_view bytes) {
        std::uint32_t value = 0xffff;
        for (const char byte : bytes) {
            value ^= static_cast<unsigned char>(byte);
            for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0x8408 : value >> 1;
        }
        return static_cast<std::uint16_t>(~value);
    }

    /// Returns the IMEI's 15 digits, from 8 bytes of two digits each.
    std::string_view read_imei(std::string_view content) {
        imei_.clear();
        for (const char byte : content.substr(0, 8)) {
            imei_ += static_cast<char>('0' + (static_cast<unsigned char>(byte) >> 4));
            imei_ += static_cast<char>('0' + (byte & 15));
        }
        return std::string_view(imei_).substr(1);
    }

    std::string_view answer(unsigned char kind, std::string_view serial) {
        answer_ = {'\x78', '\x78', '\x05', static_cast<char>(kind), serial[0], serial[1]};
        const std::uint16_t check = crc(std::string_view(answer_).substr(2));
        return answer_ += {static_cast<char>(check >> 8), static_cast<char>(check & 0xff), '\r', '\n'};
    }

    std::string_view position(std::string_view content, std::string_view imei) {
        const double degree = 1'800'000;  // in units of 1/30,000 of a minute
        const double north = (content[16] & 0x04) != 0 ? 1 : -1;
        const double east = (content[16] & 0x08) == 0 ? 1 : -1;
        item_.resize(160);
        const int size =
            std::snprintf(item_.data(), item_.size(), R"({"imei":"%.*s","latitude":%.6f,"longitude":%.6f})",
                          static_cast<int>(imei.size()), imei.data(), north * number(content.substr(7), 4) / degree,
                          east * number(content.substr(11), 4) / degree);
        return std::string_view(item_).substr(0, static_cast<std::size_t>(size));
    }

    std::string imei_, answer_, item_;
};
