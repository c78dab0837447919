#include "http_client/http_client.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "text/units.h"

#include <curl/curl.h>

namespace holdfast {

namespace {

// Libcurl's handles are all `void` to the compiler.
struct EasyCleanUp {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct MultiCleanUp {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct HeadersCleanUp {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

bool library_started() {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    return started == CURLE_OK;
}

/// Blocks SIGPIPE on the calling thread: OpenSSL writes with write(2), which raises it if the peer has closed.
class WithoutPipeSignal {
public:
    WithoutPipeSignal() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    WithoutPipeSignal(const WithoutPipeSignal&) = delete;
    WithoutPipeSignal& operator=(const WithoutPipeSignal&) = delete;
    ~WithoutPipeSignal() {
        const timespec at_once{};
        if (!was_pending_) sigtimedwait(&pipe_, nullptr, &at_once);
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    sigset_t pipe_{};
    sigset_t before_{};
    bool was_pending_ = false;
};

std::string origin_of(const HttpPeer& peer) {
    const std::string scheme = peer.tls ? "https://" : "http://";
    if (!peer.socket.empty()) return scheme + "localhost";
    const bool v6 = peer.host.find(':') != std::string::npos;
    return scheme + (v6 ? "[" + peer.host + "]" : peer.host) + ":" + std::to_string(peer.port);
}

/// State of a response being received.
struct Taking {
    HttpAnswer answer;
    std::size_t max = 0;
    const std::function<bool(std::string_view)>* on_piece = nullptr;
    CURL* easy = nullptr;
    bool head_ended = false;
    bool no_memory = false;
    std::chrono::steady_clock::time_point latest = std::chrono::steady_clock::now();  // byte of the response
};

// Callbacks of libcurl, through which no exception may pass; a result below `size` aborts the transfer.

/// Takes one header line. Lines of a 1xx response may precede the final response.
std::size_t take_line(const char* bytes, std::size_t, std::size_t size, void* to) noexcept {
    const std::string_view line(bytes, size);
    auto& taking = *static_cast<Taking*>(to);
    taking.latest = std::chrono::steady_clock::now();
    bool& ended = taking.head_ended;
    ended = (ended || line == "\r\n" || line == "\n") && !line.starts_with("HTTP/");
    return size;
}

std::size_t take_body(const char* bytes, std::size_t, std::size_t size, void* to) noexcept {
    auto& taking = *static_cast<Taking*>(to);
    taking.latest = std::chrono::steady_clock::now();
    long status = 0;
    if (*taking.on_piece && curl_easy_getinfo(taking.easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
        status == 200)
        return (*taking.on_piece)({bytes, size}) ? size : 0;
    const std::size_t room = taking.max - taking.answer.body.size();
    try {
        taking.answer.body.append(bytes, std::min(size, room));
    } catch (const std::bad_alloc&) {
        taking.no_memory = true;
        return 0;
    }
    return size <= room ? size : 0;
}

}  // namespace

class HttpClient::Transfer {
public:
    explicit Transfer(HttpPeer peer) : peer_(std::move(peer)) {
        if (!library_started()) return;
        multi_.reset(curl_multi_init());
        easy_.reset(curl_easy_init());
    }
    ~Transfer() {
        const WithoutPipeSignal quiet;  // closing the kept connection may write
        easy_.reset();
        multi_.reset();
    }

    std::variant<HttpAnswer, HttpFailure> request(const HttpQuestion& question);
    void break_off() noexcept {
        broken_off_ = true;
        if (multi_ != nullptr) curl_multi_wakeup(multi_.get());
    }

private:
    template <typename T>
    void set(CURLoption option, T value) {
        if (curl_easy_setopt(easy_.get(), option, value) != CURLE_OK) prepared_ = false;
    }
    void set_peer();
    void set_question(const HttpQuestion& question);
    void add_header(const std::string& line);
    [[nodiscard]] std::optional<CURLcode> run(const Taking& taking, std::chrono::milliseconds silence);
    [[nodiscard]] std::variant<HttpAnswer, HttpFailure> outcome(std::optional<CURLcode> end, Taking taking,
                                                                const HttpQuestion& question) const;
    [[nodiscard]] HttpFailure timed_out(const HttpQuestion& question) const;
    [[nodiscard]] HttpFailure failure_of(CURLcode code, const HttpQuestion& question) const;
    /// Returns true if a connection existed: a kept one, or one whose TLS handshake failed.
    [[nodiscard]] bool was_connected() const {
        const auto* address = fact<const char*>(CURLINFO_PRIMARY_IP);
        return !peer_.socket.empty() || (address != nullptr && *address != '\0');
    }
    template <typename T>
    [[nodiscard]] T fact(CURLINFO which) const {
        T value{};
        curl_easy_getinfo(easy_.get(), which, &value);
        return value;
    }

    const HttpPeer peer_;
    std::unique_ptr<CURLM, MultiCleanUp> multi_;  // outlives easy_; owns the kept connection
    std::unique_ptr<CURL, EasyCleanUp> easy_;
    std::unique_ptr<curl_slist, HeadersCleanUp> headers_;
    bool prepared_ = false;  // false: an option could not be set for lack of memory
    std::atomic<bool> broken_off_{false};
};

void HttpClient::Transfer::set_peer() {
    set(CURLOPT_URL, origin_of(peer_).c_str());
    if (!peer_.socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, peer_.socket.c_str());
    if (!peer_.ca.empty()) {
        set(CURLOPT_CAINFO, peer_.ca.c_str());
        set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
    }
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name lookup at the end
    set(CURLOPT_FORBID_REUSE, peer_.keep ? 0L : 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(peer_.connect_timeout.count()));
}

void HttpClient::Transfer::add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) {
        prepared_ = false;
        return;
    }
    static_cast<void>(headers_.release());
    headers_.reset(longer);
}

void HttpClient::Transfer::set_question(const HttpQuestion& question) {
    set(CURLOPT_REQUEST_TARGET, question.target.c_str());
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(question.timeout.count()));
    add_header("Expect:");  // it would wait for a 100 before a long body
    if (!peer_.keep) add_header("Connection: close");
    if (question.method != "GET") {
        set(CURLOPT_POSTFIELDS, question.body.c_str());
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(question.body.size()));
        set(CURLOPT_CUSTOMREQUEST, question.method.c_str());
        add_header(question.body.empty() ? "Content-Type:" : "Content-Type: application/json");
    }
    for (const std::string& line : question.headers) add_header(line);
    set(CURLOPT_HTTPHEADER, headers_.get());
}

/// Runs the transfer to its end. Returns nullopt if it was cancelled.
std::optional<CURLcode> HttpClient::Transfer::run(const Taking& taking, std::chrono::milliseconds silence) {
    constexpr std::chrono::milliseconds longest_sleep{1'000};
    const auto sleep = silence.count() > 0 ? std::min(silence, longest_sleep) : longest_sleep;
    int running = 1;
    while (true) {
        if (broken_off_) return std::nullopt;
        if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
        if (running == 0) break;
        const bool is_silent = silence.count() > 0 && std::chrono::steady_clock::now() - taking.latest >= silence;
        if (is_silent) return CURLE_OPERATION_TIMEDOUT;
        if (curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(sleep.count()), nullptr) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return CURLE_OUT_OF_MEMORY;
}

HttpFailure HttpClient::Transfer::timed_out(const HttpQuestion& question) const {
    using Kind = HttpFailure::Kind;
    const auto timeout = question.timeout.count() > 0 ? question.timeout : question.silence;
    if (!was_connected()) return {Kind::no_connection, std::strerror(ETIMEDOUT)};
    if (peer_.tls && fact<curl_off_t>(CURLINFO_PRETRANSFER_TIME_T) == 0) {
        const auto limit = timeout.count() > 0 ? std::min(peer_.connect_timeout, timeout) : peer_.connect_timeout;
        return {Kind::no_tls, "the TLS handshake did not end within " + format_duration(limit)};
    }
    return {Kind::too_slow, "no answer within " + format_duration(timeout)};
}

HttpFailure HttpClient::Transfer::failure_of(CURLcode code, const HttpQuestion& question) const {
    using Kind = HttpFailure::Kind;
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return {Kind::no_connection, "the host name has no address"};
        case CURLE_COULDNT_CONNECT: {
            const auto error = fact<long>(CURLINFO_OS_ERRNO);
            return {Kind::no_connection, error == 0 ? "the connection failed" : std::strerror(static_cast<int>(error))};
        }
        case CURLE_OPERATION_TIMEDOUT:
            return timed_out(question);
        case CURLE_SSL_CONNECT_ERROR:
            return {Kind::no_tls, "the TLS handshake failed"};
        case CURLE_PEER_FAILED_VERIFICATION:
            return {Kind::bad_certificate, "the certificate is invalid"};
        case CURLE_SSL_CACERT_BADFILE:
            return {Kind::bad_ca_file, peer_.ca.empty()
                                           ? "this host has no authorities for certificates; install ca-certificates"
                                           : "the file of authorities cannot be read as PEM certificates"};
        case CURLE_OUT_OF_MEMORY:  // also reported for a header line above the limit
            return {Kind::no_http, "a line of the response is too long, or no memory is left"};
        default:
            return {Kind::no_http, curl_easy_strerror(code)};
    }
}

std::variant<HttpAnswer, HttpFailure> HttpClient::Transfer::request(const HttpQuestion& question) {
    const HttpFailure no_memory{HttpFailure::Kind::no_connection, "no memory for the request"};
    if (easy_ == nullptr || multi_ == nullptr) return no_memory;
    Taking taking{.answer = {}, .max = question.max_body, .on_piece = &question.on_piece, .easy = easy_.get()};
    curl_easy_reset(easy_.get());
    headers_.reset();
    prepared_ = true;
    set_peer();
    set_question(question);
    set(CURLOPT_HEADERFUNCTION, &take_line);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&taking));
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&taking));
    const WithoutPipeSignal quiet;  // removing the handle may close the connection
    if (!prepared_ || curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return no_memory;
    const auto take_out = [this](CURL* easy) noexcept { curl_multi_remove_handle(multi_.get(), easy); };
    const std::unique_ptr<CURL, decltype(take_out)> added(easy_.get(), take_out);
    const auto end = run(taking, question.silence);
    return outcome(end, std::move(taking), question);
}

/// Returns the answer or the failure. A response with complete headers is an answer, however its body ends.
std::variant<HttpAnswer, HttpFailure> HttpClient::Transfer::outcome(std::optional<CURLcode> end, Taking taking,
                                                                    const HttpQuestion& question) const {
    using Kind = HttpFailure::Kind;
    if (!end) return HttpFailure{Kind::broken_off, "the request was cancelled"};
    if (taking.no_memory) return HttpFailure{Kind::no_http, "no memory for the response"};
    taking.answer.status = static_cast<int>(fact<long>(CURLINFO_RESPONSE_CODE));
    const bool answered = taking.head_ended && taking.answer.status >= 200;
    if (*end != CURLE_OK && !answered) return failure_of(*end, question);
    taking.answer.whole = *end == CURLE_OK;
    return std::move(taking.answer);
}

HttpClient::HttpClient(HttpPeer peer) : transfer_(std::make_unique<Transfer>(std::move(peer))) {}
HttpClient::~HttpClient() = default;

std::variant<HttpAnswer, HttpFailure> HttpClient::request(const HttpQuestion& question) {
    return transfer_->request(question);
}
void HttpClient::break_off() noexcept { transfer_->break_off(); }

}  // namespace holdfast
