#include "tcp/accept_outcome.h"

#include <cerrno>

namespace holdfast {

AcceptOutcome classify_accept(int error) noexcept {
    switch (error) {
        case EAGAIN:
            return AcceptOutcome::drained;
        case EINTR:
        case ECONNABORTED:
        case EPERM:  // a firewall rule rejected it
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case ETIMEDOUT:
        case ECONNRESET:
            return AcceptOutcome::try_again;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return AcceptOutcome::pause;
        default:
            return AcceptOutcome::defect;
    }
}

}  // namespace holdfast
