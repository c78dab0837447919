#include "conformance/judge.h"

#include <gtest/gtest.h>

#include "conformance/conformance.h"

namespace holdfast {
namespace {

constexpr auto good_hello = R"({"hello":{"id":"d","session":"s","from":1}})";

class JudgeTest : public testing::Test {
protected:
    [[nodiscard]] bool failed(Rule rule) const { return findings.of(rule).outcome == RuleOutcome::failed; }
    [[nodiscard]] bool passed(Rule rule) const { return findings.of(rule).outcome == RuleOutcome::passed; }

    RuleFindings findings;
    Judge judge{findings, {.token = "t"}};
};

TEST_F(JudgeTest, TakesAGoodDevice) {
    ASSERT_TRUE(judge.take_hello(R"({"hello":{"id":"d","session":"s","from":1,"token":"t"}})"));
    judge.expect_first(1, Rule::resume);
    EXPECT_EQ(judge.take_item(R"({"ip":"a","seq":1})"), 1U);
    EXPECT_EQ(judge.take_item(R"({"ip":"a","seq":2})"), 2U);
    for (const Rule rule :
         {Rule::hello_first, Rule::hello_id, Rule::hello_session, Rule::hello_from, Rule::hello_size, Rule::hello_token,
          Rule::hello_once, Rule::framing, Rule::key, Rule::seq, Rule::order, Rule::resume}) {
        EXPECT_TRUE(passed(rule)) << row_of(rule).name;
    }
}

TEST_F(JudgeTest, NamesTheRuleThatAHelloBreaks) {
    EXPECT_FALSE(judge.take_hello(R"({"ip":"a","seq":1})"));
    EXPECT_TRUE(failed(Rule::hello_first));
    EXPECT_EQ(findings.of(Rule::hello_first).seen, R"("{\"ip\":\"a\",\"seq\":1}")");
    ASSERT_TRUE(judge.take_hello(R"({"hello":{"id":"","session":7,"token":"x"}})"));
    for (const Rule rule : {Rule::hello_id, Rule::hello_session, Rule::hello_from, Rule::hello_token}) {
        EXPECT_TRUE(failed(rule)) << row_of(rule).name;
    }
}

TEST_F(JudgeTest, AHelloAndItsFramingFitIntoTheFirstKib) {
    const std::string hello = R"({"hello":{"id":"d","session":"s","from":1,"pad":")" + std::string(900, 'x') + R"("}})";
    judge.take_hello(hello, 1024);
    EXPECT_FALSE(failed(Rule::hello_size));
    judge.take_hello(hello, 1025);
    EXPECT_TRUE(failed(Rule::hello_size));
}

TEST_F(JudgeTest, ALaterHelloHasTheSameNames) {
    judge.take_hello(good_hello);
    judge.take_hello(R"({"hello":{"id":"e","session":"s2","from":1}})");
    EXPECT_EQ(findings.of(Rule::hello_id).expected, R"(the id "d")");
    EXPECT_EQ(findings.of(Rule::hello_session).seen, R"("s2")");
}

TEST_F(JudgeTest, AFromThatGivesItemsUpFails) {
    judge.take_hello(good_hello);
    judge.cover(3);
    judge.take_hello(R"({"hello":{"id":"d","session":"s","from":9}})");
    judge.expect_first(4, Rule::repeat);
    judge.take_item(R"({"ip":"a","seq":4})");
    EXPECT_EQ(findings.of(Rule::hello_from).expected, "from 4");
    EXPECT_TRUE(passed(Rule::repeat));
}

TEST_F(JudgeTest, AKeptSessionMayBeginAnywhere) {
    judge.take_hello(R"({"hello":{"id":"d","session":"s","from":41}})");
    EXPECT_EQ(judge.covered(), 40U);
    judge.expect_first(41, Rule::resume);
    judge.take_item(R"({"ip":"a","seq":41})");
    EXPECT_TRUE(passed(Rule::hello_from));
}

TEST_F(JudgeTest, NamesTheRuleThatAnItemBreaks) {
    judge.take_hello(good_hello);
    judge.expect_first(1, Rule::resume);
    EXPECT_FALSE(judge.take_item("garbage"));
    EXPECT_TRUE(failed(Rule::framing));
    EXPECT_FALSE(judge.take_item(good_hello));
    EXPECT_TRUE(failed(Rule::hello_once));
    EXPECT_EQ(judge.take_item(R"({"seq":1})"), 1U);
    EXPECT_TRUE(failed(Rule::key));
    for (const auto* bad : {R"({"ip":"a"})", R"({"ip":"a","seq":"2"})", R"({"ip":"a","seq":0})",
                            R"({"ip":"a","seq":9007199254740992})"}) {
        EXPECT_FALSE(judge.take_item(bad)) << bad;
    }
    EXPECT_TRUE(failed(Rule::seq));
    EXPECT_FALSE(failed(Rule::order));
    judge.take_item(R"({"ip":"a","seq":3})");
    EXPECT_EQ(findings.of(Rule::order).expected, "item 2");
    EXPECT_EQ(findings.of(Rule::order).seen, "item 3");
}

TEST_F(JudgeTest, TheKeyHasAnyCaseAndMayBeAPath) {
    judge.take_any_item(R"({"IP":"a","seq":1})");
    EXPECT_TRUE(passed(Rule::key));
    Judge deep(findings, {.key = "device.id"});
    deep.take_any_item(R"({"device":{"id":"a"},"seq":1})");
    deep.take_any_item(R"({"device.id":"a","seq":2})");
    EXPECT_TRUE(passed(Rule::key));
    deep.take_any_item(R"({"device":{"id":""},"seq":3})");
    EXPECT_TRUE(failed(Rule::key));
}

TEST_F(JudgeTest, ARepeatedItemIsTheSame) {
    judge.take_hello(good_hello);
    judge.expect_first(1, Rule::resume);
    judge.take_item(R"({"ip":"a","seq":1})");
    judge.take_any_item(R"({"ip":"a","seq":1})");
    EXPECT_TRUE(passed(Rule::repeat));
    judge.take_any_item(R"({"ip":"b","seq":1})");
    EXPECT_TRUE(failed(Rule::repeat));
}

TEST(ConformanceReportTest, HasALinePerRuleAndBothFacts) {
    ConformanceReport report;
    report.findings.fail(Rule::gap, "item 2 again", "later items only");
    const std::string text = report_text(report);
    for (const RuleRow& row : rule_rows()) EXPECT_NE(text.find(row.name), std::string::npos);
    EXPECT_NE(text.find("expected: item 2 again\n            seen: later items only\n"), std::string::npos);
    const std::string json = report_json(report);
    EXPECT_TRUE(json.starts_with(R"({"conforms":false,"rules":[{"rule":"hello_first","section":"Hello",)"));
    EXPECT_NE(json.find(R"("result":"fail","expected":"item 2 again","seen":"later items only"})"), std::string::npos);
}

TEST(RuleFindingsTest, TheFirstFailureStays) {
    RuleFindings findings;
    findings.fail(Rule::ack, "a", "b");
    findings.pass(Rule::ack);
    findings.fail(Rule::ack, "c", "d");
    EXPECT_EQ(findings.of(Rule::ack).expected, "a");
    for (const RuleRow& row : rule_rows()) findings.pass(row.rule);
    EXPECT_FALSE(findings.all_passed());
    EXPECT_TRUE(findings.all_passed_but(Rule::ack));
}

}  // namespace
}  // namespace holdfast
