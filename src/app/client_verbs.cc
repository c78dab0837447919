#include "app/client_verbs.h"

#include "app/client_actions.h"
#include "app/client_drain.h"
#include "app/client_looks.h"
#include "app/client_watch.h"
#include "app/verb_consume.h"
#include "app/verb_top.h"

namespace holdfast {

void add_client_verbs(CLI::App& app, VerbAction& selected) {
    add_status_verb(app, selected);
    add_top_verb(app, selected);
    add_list_verb(app, selected);
    add_show_verb(app, selected);
    add_closed_verb(app, selected);
    add_probe_verb(app, selected);
    add_close_verb(app, selected);
    add_send_verb(app, selected);
    add_drain_verb(app, selected);
    add_alarms_verb(app, selected);
    add_reload_verb(app, selected);
    add_consume_verb(app, selected);
}

}  // namespace holdfast
