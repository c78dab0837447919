#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace holdfast {

/// Closure of the C client's callbacks: a number instead of a pointer, so that a callback during or after its object's
/// destruction finds nothing. Owned by the object; any thread.
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

    /// Returns the object for a callback, or nullptr if it is gone.
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
        static Book* const only = new Book;  // never destroyed: callbacks may run after static destructors
        return *only;
    }

    std::uintptr_t number_ = 0;
};

}  // namespace holdfast
