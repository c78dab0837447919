#include "tls/ticket_keys.h"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

namespace holdfast {

namespace {

constexpr int iv_bytes = 16;

/// Sets the key of the MAC. OpenSSL takes the parameters by non-const pointers and does not write through them.
bool set_mac(EVP_MAC_CTX* mac, const std::array<unsigned char, 32>& key) {
    std::array<char, 7> digest{"SHA256"};
    auto* bytes = const_cast<unsigned char*>(key.data());
    const std::array<OSSL_PARAM, 3> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, key.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
}

template <std::size_t size>
bool fill(std::array<unsigned char, size>& bytes) {
    return RAND_bytes(bytes.data(), static_cast<int>(size)) == 1;
}

}  // namespace

TicketKeys::Key::~Key() {
    OPENSSL_cleanse(cipher.data(), cipher.size());
    OPENSSL_cleanse(mac.data(), mac.size());
}

TicketKeys::TicketKeys(const Clock& clock) : clock_(clock) { rotate(clock.steady()); }

TicketKeys::KeyPtr TicketKeys::make_key(SteadyTime now) {
    auto key = std::make_shared<Key>();
    key->made = now;
    return fill(key->name) && fill(key->cipher) && fill(key->mac) ? key : nullptr;
}

void TicketKeys::rotate(SteadyTime now) {
    if (former_ && now - former_->made >= readable) former_ = nullptr;
    if (current_ && now - current_->made < in_use) return;
    former_ = current_ && now - current_->made < readable ? std::move(current_) : nullptr;
    current_ = make_key(now);
}

TicketKeys::Verdict TicketKeys::make(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
    KeyPtr key;
    {
        const std::lock_guard lock(mutex_);
        rotate(clock_.steady());
        key = current_;
    }
    if (!key || RAND_bytes(iv, iv_bytes) != 1) return Verdict::failed;
    std::copy(key->name.begin(), key->name.end(), name);
    const bool ready =
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1 && set_mac(mac, key->mac);
    return ready ? Verdict::good : Verdict::failed;
}

TicketKeys::Verdict TicketKeys::read(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                                     EVP_MAC_CTX* mac) {
    KeyPtr key;
    bool is_former = false;
    {
        const std::lock_guard lock(mutex_);
        rotate(clock_.steady());
        const auto has_name = [name](const KeyPtr& each) {
            return each && std::equal(each->name.begin(), each->name.end(), name);
        };
        is_former = has_name(former_);
        key = is_former ? former_ : has_name(current_) ? current_ : nullptr;
    }
    if (!key) return Verdict::unknown;
    const bool ready =
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1 && set_mac(mac, key->mac);
    if (!ready) return Verdict::failed;
    return is_former ? Verdict::renew : Verdict::good;
}

}  // namespace holdfast
