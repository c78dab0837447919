#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/reference.h"
#include "cli/verbs.h"
#include "options/option.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

class Describe : public testing::Test {
protected:
    std::string detect_;
    std::string framing_;
    bool json_ = false;
    const Verb root_{.name = "holdfast",
                     .help = "holds connections",
                     .parts = {{"plan",
                                "what follows; [a:b] isn't hidden",
                                {{"--detect-within", &detect_, "DURATION", "3s to 1h", {.required = true}},
                                 {"--framing", &framing_, "WORD", "how items are cut"},
                                 {"--json", &json_, "", "JSON, for scripts"}}},
                               {.name = "token",
                                .help = "tokens of devices",
                                .parts = {{"revoke", "takes one back", {{"ID", &detect_, "", "whose"}}}}}}};
};

TEST_F(Describe, ThePageHasEveryVerbAndFlag) {
    const std::string page = command_page(root_);
    EXPECT_THAT(page, HasSubstr(".SS \"holdfast plan\"\nwhat follows; [a:b] isn't hidden\n"));
    EXPECT_THAT(page, HasSubstr("\\fB\\-\\-detect\\-within\\fR \\fIDURATION\\fR\n3s to 1h; required\n"));
    EXPECT_THAT(page, HasSubstr(".SS \"holdfast token revoke\""));
    EXPECT_THAT(page, HasSubstr("\\fIID\\fR\nwhose\n"));
    EXPECT_THAT(page, Not(HasSubstr("\n'")));
}

TEST_F(Describe, TheConfigurationPageHasEveryOption) {
    const std::string page = configuration_page();
    for (const Option& option : all_options()) {
        std::string name(option.key);
        EXPECT_THAT(page, HasSubstr("\\fB" + name + "\\fR\n")) << name;
    }
    EXPECT_THAT(page, HasSubstr("one of ndjson, json, length"));
}

TEST_F(Describe, CompletionsKnowVerbsFlagsAndWords) {
    const std::string bash = bash_completions(root_);
    EXPECT_THAT(bash, HasSubstr("words='plan token --help'"));
    EXPECT_THAT(bash, HasSubstr("--framing) words='ndjson json length length-field' ;;"));
    EXPECT_THAT(bash, HasSubstr("--detect-within) return ;;"));
    EXPECT_THAT(bash, Not(HasSubstr("--json) return")));
    EXPECT_THAT(bash, HasSubstr("words='revoke "));
    const std::string zsh = zsh_completions(root_);
    EXPECT_THAT(zsh, HasSubstr("'plan:what follows; \\[a\\:b\\] isn'\\''t hidden'"));
    EXPECT_THAT(zsh, HasSubstr("'--framing[how items are cut]:WORD:(ndjson json length length-field)'"));
    const std::string fish = fish_completions(root_);
    EXPECT_THAT(fish, HasSubstr("-l json -d 'JSON, for scripts'"));
    EXPECT_THAT(fish, HasSubstr("-l detect-within -r -d '3s to 1h'"));
}

}  // namespace
}  // namespace holdfast
