#include "app/client_verbs.h"

#include "app/client_actions.h"
#include "app/client_looks.h"

namespace holdfast {

void add_client_verbs(CLI::App& app, VerbAction& selected) {
    add_status_verb(app, selected);
    add_list_verb(app, selected);
    add_show_verb(app, selected);
    add_closed_verb(app, selected);
    add_probe_verb(app, selected);
    add_close_verb(app, selected);
    add_send_verb(app, selected);
}

}  // namespace holdfast
