#include "cli/verb_prove.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "cli/proof_text.h"
#include "daemon/exit.h"
#include "doctor/prove.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// Ends this process, and its namespaces with it, when the parent ends.
void die_with(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::raise(SIGKILL);
}

int prove_in_namespaces(const LivenessPlan& plan, bool json, pid_t parent) {
    die_with(parent);
    const auto networks = TwoNetworks::make();
    die_with(parent);  // a change of credentials clears it (prctl(2))
    if (!networks) {
        print_error(networks.error().message);
        return exit_wrong_usage;
    }
    const auto proof = prove(plan, networks.value());
    if (!proof) {
        print_error(proof.error().message);
        return exit_wrong_usage;
    }
    std::cout << (json ? to_json(proof.value()) + "\n" : proof_text(proof.value()));
    return proof.value().kept() ? exit_good : exit_answer_is_no;
}

int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return exit_wrong_usage;
    }
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    print_error(std::string("the proof was ended by a signal (") + ::strsignal(WTERMSIG(status)) + ")");
    return exit_wrong_usage;
}

}  // namespace

int prove_verb(const std::string& detect_within, bool json) {
    const auto duration = parse_duration(detect_within);
    const auto plan = duration ? plan_liveness(duration.value()) : Result<LivenessPlan>(duration.error());
    if (!plan) {
        print_error("--detect-within: " + plan.error().message);
        return exit_wrong_usage;
    }
    const pid_t parent = ::getpid();
    std::cout.flush();
    const pid_t child = ::fork();
    if (child < 0) {
        print_error(std::string("cannot fork: ") + std::strerror(errno));
        return exit_wrong_usage;
    }
    if (child > 0) return wait_for(child);
    return prove_in_namespaces(plan.value(), json, parent);
}

}  // namespace holdfast
