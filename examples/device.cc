// A device whose items survive a restart of either side, by docs/reference/protocol.md. An item is a line of the input,
// on disk until an ack covers it. The program ends after the end of the input, once every item is acknowledged.
//     echo '{"ip":"10.20.30.40","status":"online"}' | ./device 127.0.0.1 7000 device-17 kept.ndjson
#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

using std::string, std::to_string;
/// The file begins with {"session":S,"from":N}. Then come item N, item N + 1 and so on.
struct Device {
    const string name, path;
    string session = to_string(std::random_device{}());
    std::mutex mutex{};                     // guards the members below
    std::map<long, string> items{};         // unacknowledged items by number
    long next = 1, stale = 0, to_send = 0;  // to_send: on this connection; 0 until the gateway has sent its next number
    int file = -1, gateway = -1, pause_ms = 100, input_ended = 0;

    long first() const { return next - long(items.size()); }
    string place() const { return "\"session\":\"" + session + "\",\"from\":" + to_string(first()); }
    void load() {
        std::ifstream old(path);
        char text[65];
        string line;
        if (std::getline(old, line) && sscanf(line.c_str(), R"({"session":"%64[^"]","from":%ld)", text, &next) == 2)
            for (session = text; std::getline(old, line) && !old.eof();) items[next++] = line;  // skips a torn line
        rewrite();
    }
    void rewrite() {
        string all = "{" + place() + "}\n";
        for (const auto& [seq, item] : items) all += item + '\n';
        close(file), file = open((path + ".new").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), stale = 0;
        write(all), rename((path + ".new").c_str(), path.c_str()), syncfs(file);
    }
    void write(const string& text) const {
        if (dprintf(file, "%s", text.c_str()) < 0 || fsync(file) != 0) perror(path.c_str()), std::_Exit(1);
    }
    void add(string item) {
        const size_t end = item.rfind('}');
        if (end == 0 || end == string::npos || item[0] != '{') return void(std::cerr << "no item: " << item << '\n');
        items[next] = item.insert(end, (item[end - 1] == '{' ? "\"seq\":" : ",\"seq\":") + to_string(next));
        ++next, write(item + '\n');
    }
    void acknowledge(long seq) {
        if (seq >= next) std::cerr << path << " is older than the gateway's numbers: remove it\n", std::_Exit(1);
        for (; !items.empty() && items.begin()->first <= seq; ++stale) items.erase(items.begin());
        if (stale > 1000 + long(items.size())) rewrite();  // most of the file is stale
    }
    void go_on() {
        for (; to_send > 0 && to_send < next; ++to_send) dprintf(gateway, "%s\n", items[to_send].c_str());
        if (input_ended && items.empty()) std::_Exit(0);
    }
    void take(const char* answer) {
        const std::unique_lock lock(mutex);
        long n = 0;
        if (sscanf(answer, R"({"ack":%ld})", &n) == 1) acknowledge(n);
        if (sscanf(answer, R"({"resume":%ld})", &n) == 1) acknowledge(n), to_send = first(), pause_ms = 100;
        if (sscanf(answer, R"({"nack":%*d,"reason":"gap","expected":%ld})", &n) == 1) to_send = std::max(n, first());
        if (sscanf(answer, R"({"nack":%ld)", &n) == 1) std::cerr << answer;
        go_on();
    }
    void talk(const sockaddr_in& to) {  // serves one connection to its end
        FILE* const answers = fdopen(gateway = socket(AF_INET, SOCK_STREAM, 0), "r");
        connect(gateway, reinterpret_cast<const sockaddr*>(&to), sizeof to);  // an error shows in getline()
        std::unique_lock lock(mutex);
        dprintf(gateway, "{\"hello\":{\"id\":\"%s\",%s}}\n", name.c_str(), place().c_str()), lock.unlock();
        char* line = nullptr;
        for (size_t room = 0; getline(&line, &room, answers) > 0 && string(line).ends_with('\n');) take(line);
        lock.lock(), free(line), fclose(answers), to_send = 0;
        std::cerr << "no connection: " << items.size() << " items wait\n";
    }
    void read_input() {
        for (string line; !input_ended;) {
            const bool got = !std::getline(std::cin, line).fail();
            const std::unique_lock lock(mutex);
            got ? add(line) : void(input_ended = 1), go_on();
        }
    }
};

int main(int argc, char** argv) {
    if (argc != 5) return std::cerr << "usage: device ADDRESS PORT ID FILE, an item a line on standard input\n", 2;
    const sockaddr_in to{AF_INET, htons(uint16_t(std::stoi(argv[2]))), {inet_addr(argv[1])}, {}};
    std::signal(SIGPIPE, SIG_IGN);
    Device device{.name = argv[3], .path = argv[4]};
    device.load();
    std::thread reader([&device] { device.read_input(); });
    for (std::minstd_rand random(std::random_device{}());; device.pause_ms = std::min(2 * device.pause_ms, 30'000)) {
        device.talk(to);
        std::this_thread::sleep_for(std::chrono::milliseconds(device.pause_ms * (50 + random() % 50) / 100));
    }
}
