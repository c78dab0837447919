#include "api/dashboard/assets.h"

#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "model/reason_row.h"

namespace holdfast {
namespace {

std::string text_of(std::string_view path) {
    const auto asset = dashboard_asset(path);
    EXPECT_TRUE(asset) << path;
    return asset ? std::string(asset->body) : std::string();
}

std::vector<std::string> all_matches(const std::string& text, const char* pattern) {
    const std::regex wanted(pattern);
    std::vector<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at) found.push_back((*at)[1]);
    return found;
}

bool is_own_script(std::string_view path) { return path.ends_with(".js") && path != "/dashboard/dygraph.js"; }

TEST(DashboardAssets, ThePageIsHtmlAndOtherPathsAreNothing) {
    const auto page = dashboard_asset("/");
    ASSERT_TRUE(page);
    EXPECT_TRUE(page->body.starts_with("<!doctype html>"));
    EXPECT_EQ(page->type, "text/html; charset=utf-8");
    for (const char* path :
         {"", "/dashboard", "/dashboard/", "/dashboard/nope.js", "/dashboard/app.js/", "/index.html"}) {
        EXPECT_FALSE(dashboard_asset(path)) << path;
    }
}

TEST(DashboardAssets, EveryFileHasATypeAndATagOfItsOwn) {
    std::set<std::string_view> tags;
    for (const EmbeddedFile& file : embedded_files()) {
        const auto asset = dashboard_asset(file.path);
        ASSERT_TRUE(asset) << file.path;
        EXPECT_EQ(asset->body.size(), file.size);
        EXPECT_TRUE(tags.insert(asset->etag).second) << file.path;
        EXPECT_TRUE(std::regex_match(std::string(asset->etag), std::regex("\"[0-9a-f]{16}\""))) << asset->etag;
    }
    for (const char* path : {"/dashboard/reason_colors.css", "/dashboard/reason_table.js"}) {
        const auto asset = dashboard_asset(path);
        ASSERT_TRUE(asset) << path;
        EXPECT_TRUE(tags.insert(asset->etag).second) << path;
        EXPECT_TRUE(std::regex_match(std::string(asset->etag), std::regex("\"[0-9a-f]{16}\""))) << asset->etag;
    }
    EXPECT_EQ(dashboard_asset("/dashboard/app.js")->type, "text/javascript; charset=utf-8");
    EXPECT_EQ(dashboard_asset("/dashboard/dashboard.css")->type, "text/css; charset=utf-8");
    EXPECT_EQ(dashboard_asset("/dashboard/icon.svg")->type, "image/svg+xml");
}

TEST(DashboardAssets, WhatThePageNamesIsThere) {
    const auto named = all_matches(text_of("/"), R"re((?:src|href)="(/dashboard/[^"]+)")re");
    EXPECT_GE(named.size(), 5U);
    for (const std::string& path : named) EXPECT_TRUE(dashboard_asset(path)) << path;
    for (const EmbeddedFile& file : embedded_files()) {
        if (!is_own_script(file.path)) continue;
        for (const std::string& name : all_matches(text_of(file.path), R"re(from '\./([^']+)')re")) {
            EXPECT_TRUE(dashboard_asset("/dashboard/" + name)) << file.path << " imports " << name;
        }
    }
}

TEST(DashboardAssets, EveryReasonHasItsKindAndItsColors) {
    const std::string table = text_of("/dashboard/reason_table.js");
    const std::string colors = text_of("/dashboard/reason_colors.css");
    EXPECT_NE(table.find("  ['peer_reset', 'peer'],\n"), std::string::npos) << table;
    EXPECT_EQ(all_matches(table, R"re(\n  \['(\w+)')re").size(), close_reason_count);
    EXPECT_EQ(all_matches(colors, R"re(--reason-(\w+): #[0-9a-f]{6};)re").size(), 2 * close_reason_count);
    EXPECT_NE(colors.find("[data-kind=\"policy\"] { --kind: var(--kind-policy); }\n"), std::string::npos) << colors;
}

/// The page's Content-Security-Policy would refuse these, or they would make device bytes markup.
TEST(DashboardAssets, NothingInlineNothingForeignNoMarkupFromText) {
    const std::string page = text_of("/");
    EXPECT_FALSE(std::regex_search(page, std::regex(R"re(<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=))re")));
    for (const EmbeddedFile& file : embedded_files()) {
        if (file.path != "/" && !is_own_script(file.path)) continue;
        const std::string text = text_of(file.path);
        EXPECT_FALSE(std::regex_search(text, std::regex("https?://"))) << file.path;
        EXPECT_FALSE(std::regex_search(
            text, std::regex("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|eval\\(|setAttribute\\('style'")))
            << file.path;
    }
}

}  // namespace
}  // namespace holdfast
