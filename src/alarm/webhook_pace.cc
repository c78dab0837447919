#include "alarm/webhook_pace.h"

namespace holdfast {

bool WebhookPace::wants(WebhookForm form, const Alarm& alarm, Time now) {
    if (alarm.cleared_at) {
        sent_.erase(alarm.id);
        return true;
    }
    // Alertmanager has silences of its own, and resolves an alert that is not repeated.
    if (form == WebhookForm::alertmanager) return true;
    if (alarm.acknowledged) return false;
    const auto [sent, first] = sent_.try_emplace(alarm.id, now);
    if (!first && form == WebhookForm::slack && now - sent->second < every) return false;
    sent->second = now;
    return true;
}

bool WebhookPace::repeats(WebhookForm form, Time now) {
    if (form != WebhookForm::alertmanager || now - repeated_ < every) return false;
    repeated_ = now;
    return true;
}

}  // namespace holdfast
