# What the checks are told with: sentences, waiting, and the two simulated systems.

passed=0 failed=0

# fact SENTENCE COMMAND…: the sentence holds if the command succeeds.
fact() {
  local sentence=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "  ok $sentence"
    passed=$((passed + 1))
  else
    echo "FAILED $sentence: $* (status $?)"
    [[ -z $said ]] || sed 's/^/     | /' <<< "$said" | tail -15
    journalctl --sync
    journalctl --no-pager -o short-monotonic -n 25 | sed 's/^/     : /'
    failed=$((failed + 1))
  fi
}

not() { ! "$@"; }

# differs COMMAND…: exit status 2.
differs() { "$@"; [[ $? -eq 2 ]]; }

# eventually SECONDS COMMAND…: succeeds within so many seconds.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $until ]] || return 1
    sleep 0.2
  done
}

# drop_in UNIT NAME LINE…
drop_in() {
  local unit=$1 name=$2
  shift 2
  mkdir -p "/etc/systemd/system/$unit.d"
  printf '%s\n' "$@" > "/etc/systemd/system/$unit.d/$name.conf"
}

# property UNIT NAME BEGINNING
property() { [[ $(systemctl show --value -p "$2" "$1") == "$3"* ]]; }
main_pid() { systemctl show --value -p MainPID "$1"; }

# stun UNIT SIGNAL: at the process itself, and gives its number.
stun() {
  local pid
  pid=$(main_pid "$1")
  [[ $pid -gt 1 ]] && kill -s "$2" "$pid" && echo "$pid"
}
restarted() { systemctl is-active --quiet "$1" && [[ $(main_pid "$1") != "$2" && $(main_pid "$1") != 0 ]]; }
timers_wait() { [[ $(systemctl list-timers --no-legend 'goldthread*' | wc -l) -eq $1 ]]; }

# finished UNIT: when it ran to its end last, in microseconds since the boot.
finished() { systemctl show --value -p ExecMainExitTimestampMonotonic "$1"; }
finished_more_than() { [[ $(finished "$2") -gt $1 ]]; }

# journal_has "FIELD=VALUE …" TEXT…: one entry that matches holds every text.
journal_has() {
  local match=$1 text entries
  shift
  journalctl --sync
  # shellcheck disable=SC2086
  entries=$(journalctl -o export $match | tr '\n' '\t' | sed 's/\t\t/\n/g')
  for text in "$@"; do
    entries=$(grep -F -- "$text" <<< "$entries") || { echo "no $text under $match"; return 1; }
  done
}

# says TEXT FIELD=VALUE…: a message of an entry that matches holds the text.
says() {
  local text=$1
  shift
  journalctl --sync
  journalctl -q -o cat "$@" | grep -qF -- "$text"
}

# told REQUEST FIELD=VALUE…: under our identifier, as an administrator would ask.
told() {
  local number=$1
  shift
  journalctl --sync
  [[ -n $(journalctl -q -t goldthread -o cat "REQUEST=$number" "$@") ]]
}

# silent UNIT…: it runs, succeeds, and the journal gets no line from it or about it.
silent() {
  local unit before
  for unit in "$@"; do
    before=$(lines "$unit")
    systemctl start "$unit" && [[ $(lines "$unit") -eq $before ]] || {
      journalctl -q -u "$unit" -o short -n 5
      return 1
    }
  done
}
lines() { journalctl --sync; journalctl -q -u "$1" -o cat | wc -l; }

# named UNIT IDENTIFIER: what it printed stands under this identifier, and nothing under another.
named() {
  journalctl --sync
  [[ $(journalctl -q -o export "_SYSTEMD_UNIT=$1.service" | grep -a '^SYSLOG_IDENTIFIER=' | sort -u) == "SYSLOG_IDENTIFIER=$2" ]]
}

brake_is_said() {
  local said
  said=$(goldthread status)
  [[ $? -eq 2 && $said == "! paused by root"*"goldthread resume"* ]]
}

# may_not_look COMMAND…: as a user without rights it fails and says so.
may_not_look() {
  local said
  said=$(setpriv --reuid=65534 --regid=65534 --clear-groups goldthread "$@" 2>&1)
  [[ $? -eq 1 && $said == *"nobody may not"*sudo* ]]
}

# journal_holds TEXT…: any of them, anywhere.
journal_holds() {
  local text
  journalctl --sync
  for text in "$@"; do
    # systemd logs the command lines of the simulators, which hold none.
    journalctl -t goldthread -o export | grep -qF -- "$text" && return 0
  done
  return 1
}

count() { journalctl --sync; journalctl -t goldthread -o cat | grep -cF -- "$1"; }
more_than() { [[ $(count "$2") -gt $1 ]]; }

# kick SIGNAL COMMAND…: sends a signal, then runs the command.
kick() {
  systemctl kill --kill-who=main --signal="$1" goldthread
  shift
  "$@"
}

# reload UNIT TEXT: reloads, and the log says so.
reload() {
  local before
  before=$(count "$2")
  systemctl reload "$1" && eventually 10 more_than "$before" "$2"
}

# hung UNIT: its cycles have stopped.
hung() {
  local before
  before=$(systemctl show --value -p StatusText "$1")
  sleep 2
  [[ $(systemctl show --value -p StatusText "$1") == "$before" ]]
}

# --- the two simulated systems, ServiceNow at PORT and Okta at the next one

simulators() {
  systemd-run --quiet --unit="simulators-$1" --setenv=TMPDIR=/var/tmp \
    --property=StandardOutput="file:/run/simulators-$1.toml" --property=StandardError=null \
    /usr/local/bin/goldthread simulate --people 60 --listen "127.0.0.1:$1"
  eventually 20 grep -q 'name = "Operations"' "/run/simulators-$1.toml" && eventually 10 table "$1" sc_cat_item >/dev/null
}
simulators_signal() { systemctl kill --signal="$2" "simulators-$1"; }

servicenow() {
  curl --silent --max-time 10 --user svc-goldthread:servicenow-password \
    --header 'Accept: application/json' --header 'Content-Type: application/json' "$@"
}
# table PORT TABLE [QUERY]: the rows, each on a line.
table() {
  servicenow --fail --get "http://127.0.0.1:$1/api/now/table/$2" --data-urlencode "sysparm_query=${3-}" |
    sed 's/},{/},\n{/g'
}
# field NAME: of each row on standard input.
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }
id_of() { table "$1" "$2" "$3" | field sys_id | head -1; }

# newcomer PORT: the row of somebody without an account.
newcomer() { id_of "$1" sys_user "email=hugo.schmidtklein6@example.com"; }

# order PORT ITEM PERSON [GROUP]: orders, approves, and gives the item's number.
order() {
  local item group= before
  before=$(requests "$1" | head -1)
  item=$(id_of "$1" sc_cat_item "name=$2")
  [[ -z ${4-} ]] || group=$(id_of "$1" u_okta_group "u_name=$4")
  servicenow "http://127.0.0.1:$1/api/sn_sc/servicecatalog/items/$item/order_now" --data "{
    \"sysparm_quantity\": 1, \"sysparm_requested_for\": \"$3\", \"variables\": {\"employee\": \"$3\",
    \"action\": \"Add\", \"start_date\": \"2020-01-01\", \"last_day\": \"2020-01-01\", \"groups\": \"$group\"}}" >/dev/null
  # The order takes a moment to be committed, and its approvals another.
  eventually 15 newer "$1" "$before" >/dev/null
  eventually 15 approve "$1"
  newer "$1" "$before"
}
requests() { table "$1" sc_req_item "ORDERBYDESCnumber" | field number; }
newer() { requests "$1" | head -1 | grep -vx "${2:-none}"; }
# approve PORT: says yes to whatever waits for it.
approve() {
  local approval said=1
  for approval in $(table "$1" sysapproval_approver "state=requested" | field sys_id); do
    servicenow --request PATCH "http://127.0.0.1:$1/api/now/table/sysapproval_approver/$approval" \
      --data '{"state": "approved"}' >/dev/null && said=0
  done
  return $said
}
closed() { table "$1" sc_req_item "number=$2" | grep -q '"state":"3"'; }
waits() { goldthread hold list | grep -q 'hold release'; }

# --- configurations

# configure FILE INSTANCE SERVICENOW_PORT [OKTA_PORT]: as the simulators print it, with credentials.
configure() {
  local folder="/etc/goldthread/credentials${2:+/$2}" okta=${4:-$(($3 + 1))} source
  source="/run/simulators-$3.toml"
  [[ -e $source ]] || source="/run/simulators-$((okta - 1)).toml"
  mkdir -p "$folder"
  echo servicenow-password > "$folder/servicenow-secret"
  echo 00simulated-token > "$folder/okta-key"
  chmod -R go= "$folder"
  sed -e '/^path = /d' \
    -e 's|"file:[^"]*servicenow-password"|"credential:servicenow-secret"|' \
    -e 's|"file:[^"]*okta-token"|"credential:okta-key"|' \
    -e "/^\[servicenow\]/,/^\[okta\]/s|^url = .*|url = \"http://127.0.0.1:$3\"|" \
    -e "/^\[okta\]/,/^\[store\]/s|^url = .*|url = \"http://127.0.0.1:$okta\"|" \
    "$source" > "/etc/goldthread/$1.toml"
}
set_key() { sed -i "s|^$2 = .*|$2 = $3|" "/etc/goldthread/$1.toml"; }
guard_key() { sed -i "s|^\[guard\]|[guard]\n$2 = $3|" "/etc/goldthread/$1.toml"; }
set_mode() { sed -i "s|^mode = .*|mode = \"$2\"|" "/etc/goldthread/$1.toml"; }
