#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace holdfast {

/// What the C client's callbacks get as their closure: a number instead of a pointer, so that one that comes late, or
/// while its object is being destroyed, finds nothing. Owned by the object; any thread.
template <typename T>
class CallbackHandle {
public:
    explicit CallbackHandle(const std::shared_ptr<T>& object) {
        const std::lock_guard lock(book().mutex);
        number_ = ++book().last;
        book().objects.emplace(number_, object);
    }
    ~CallbackHandle() {
        const std::lock_guard lock(book().mutex);
        book().objects.erase(number_);
    }
    CallbackHandle(const CallbackHandle&) = delete;
    CallbackHandle& operator=(const CallbackHandle&) = delete;

    [[nodiscard]] void* closure() const { return reinterpret_cast<void*>(number_); }

    /// For the callback: null if it is gone.
    [[nodiscard]] static std::shared_ptr<T> find(void* closure) {
        const std::lock_guard lock(book().mutex);
        const auto found = book().objects.find(reinterpret_cast<std::uintptr_t>(closure));
        return found == book().objects.end() ? nullptr : found->second.lock();
    }

private:
    struct Book {
        std::mutex mutex;
        std::uintptr_t last = 0;
        std::map<std::uintptr_t, std::weak_ptr<T>> objects;
    };
    static Book& book() {
        static Book* const only = new Book;  // a callback may come after the statics have been destroyed
        return *only;
    }

    std::uintptr_t number_ = 0;
};

}  // namespace holdfast
