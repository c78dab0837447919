// A codec of Teltonika's protocol of GPS trackers. A tracker sends its IMEI and waits for 0x01. Then each packet is
// four zero bytes, a length, AVL records and a CRC. A packet is repeated until its number of records is acknowledged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <holdfast/codec.h>

class TeltonikaCodec final : public holdfast::Codec {
public:
    holdfast::Frame next(std::span<const char> window, holdfast::CodecStream& stream) override {
        const std::string_view bytes(window.data(), window.size());
        return stream.device.id.empty() ? login(bytes, stream) : packet(bytes, stream);
    }

private:
    using Kind = holdfast::Frame::Kind;

    static holdfast::Frame login(std::string_view bytes, holdfast::CodecStream& stream) {
        if (bytes.size() < 2) return {};  // partial, from 0
        const std::size_t size = 2 + number(bytes, 2);
        if (size > 2 + 16) {
            stream.close.detail = "the first message is no IMEI";
            return {Kind::end, 0, 0, 0};
        }
        if (bytes.size() < size) return {};
        stream.id = bytes.substr(2, size - 2);
        stream.answer = "\x01";
        return {Kind::login, 0, size, size};
    }

    holdfast::Frame packet(std::string_view bytes, holdfast::CodecStream& stream) {
        if (bytes.size() < 8) return {};
        const std::size_t length = number(bytes.substr(4), 4);
        if (number(bytes, 4) != 0 || length < 3) return {Kind::malformed, 0, 8, 8};
        if (length > stream.max_bytes) return {Kind::too_large, 0, bytes.size(), bytes.size()};
        const std::size_t size = 8 + length + 4;
        if (bytes.size() < size) return {};
        const std::string_view data = bytes.substr(8, length);  // codec, number of records, records, number of records
        if (crc(data) != number(bytes.substr(8 + length), 4) || data[1] != data.back())
            return {Kind::malformed, 0, size, size};
        answer_ = {0, 0, 0, data[1]};
        stream.answer = answer_;  // with a durable handler it follows when the packet is safe
        return {Kind::item, 8, 8 + length, size};
    }

    static std::uint32_t number(std::string_view bytes, std::size_t size) {
        std::uint32_t value = 0;
        for (const char byte : bytes.substr(0, size)) value = value << 8 | static_cast<unsigned char>(byte);
        return value;
    }

    /// Returns the CRC-16/ARC.
    static std::uint32_t crc(std::string_view bytes) {
        std::uint32_t value = 0;
        for (const char byte : bytes) {
            value ^= static_cast<unsigned char>(byte);
            for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0xa001 : value >> 1;
        }
        return value;
    }

    std::string answer_;
};
