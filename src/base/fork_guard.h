#pragma once

namespace holdfast {

/// Marks a descriptor of a server, which a child of fork(2) closes. Any thread.
void close_in_child(int fd) noexcept;
/// Removes the mark. Call it before the descriptor is closed, since its number may belong to the program afterwards.
void forget_descriptor(int fd) noexcept;

/// Closes marked descriptors in each child that the process forks from now on. Without exec(2), a child would keep
/// connections open that their server has closed. Throws std::system_error.
void guard_forks();

/// Returns the number of forks between the first process and this one. A part with another number was made by a parent:
/// its threads do not exist here, and its locks may be held for ever. Any thread.
[[nodiscard]] unsigned fork_generation() noexcept;

}  // namespace holdfast
