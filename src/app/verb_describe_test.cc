#include "app/verb_describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/completions.h"
#include "app/manual.h"
#include "config/option.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

class Describe : public testing::Test {
protected:
    Describe() {
        app_.set_help_flag("--help", "print this and exit");
        CLI::App* plan = app_.add_subcommand("plan", "what follows; [a:b] isn't hidden");
        plan->add_option("--detect-within", detect_, "3s to 1h")->required()->type_name("DURATION");
        plan->add_option("--framing", framing_, "how items are cut")->type_name("WORD");
        plan->add_flag("--json", json_, "for scripts");
        CLI::App* token = app_.add_subcommand("token", "tokens of devices");
        token->add_subcommand("revoke", "takes one back")->add_option("ID", detect_, "whose")->type_name("");
    }
    CLI::App app_{"holds connections", "holdfast"};
    std::string detect_;
    std::string framing_;
    bool json_ = false;
};

TEST_F(Describe, ThePageHasEveryVerbAndFlag) {
    const std::string page = command_page(app_);
    EXPECT_THAT(page, HasSubstr(".SS \"holdfast plan\"\nwhat follows; [a:b] isn't hidden\n"));
    EXPECT_THAT(page, HasSubstr("\\fB\\-\\-detect\\-within\\fR \\fIDURATION\\fR\n3s to 1h; required\n"));
    EXPECT_THAT(page, HasSubstr(".SS \"holdfast token revoke\""));
    EXPECT_THAT(page, HasSubstr("\\fIID\\fR\nwhose\n"));
    EXPECT_THAT(page, Not(HasSubstr("\n'")));
}

TEST_F(Describe, TheConfigurationPageHasEveryOption) {
    const std::string page = configuration_page();
    for (const Option& option : all_options()) {
        std::string name(option.name);
        EXPECT_THAT(page, HasSubstr("\\fB" + name + "\\fR\n")) << name;
    }
    EXPECT_THAT(page, HasSubstr("one of ndjson, json, length"));
}

TEST_F(Describe, CompletionsKnowVerbsFlagsAndWords) {
    const std::string bash = bash_completions(app_);
    EXPECT_THAT(bash, HasSubstr("words='plan token --help'"));
    EXPECT_THAT(bash, HasSubstr("--framing) words='ndjson json length' ;;"));
    EXPECT_THAT(bash, HasSubstr("--detect-within) return ;;"));
    EXPECT_THAT(bash, Not(HasSubstr("--json) return")));
    EXPECT_THAT(bash, HasSubstr("words='revoke "));
    const std::string zsh = zsh_completions(app_);
    EXPECT_THAT(zsh, HasSubstr("'plan:what follows; \\[a\\:b\\] isn'\\''t hidden'"));
    EXPECT_THAT(zsh, HasSubstr("'--framing[how items are cut]:WORD:(ndjson json length)'"));
    const std::string fish = fish_completions(app_);
    EXPECT_THAT(fish, HasSubstr("-l json -d 'for scripts'"));
    EXPECT_THAT(fish, HasSubstr("-l detect-within -r -d '3s to 1h'"));
}

}  // namespace
}  // namespace holdfast
