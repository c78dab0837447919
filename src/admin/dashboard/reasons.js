// Why connections end: the closed list of docs/EVENTS.md and the kind of each. Stacked from the first upwards.

const kindOfReason = new Map(Object.entries({
  peer_closed: 'peer', peer_reset: 'peer',
  keepalive_expired: 'network', retransmit_expired: 'network', window_stalled: 'network', unreachable: 'network',
  read_idle: 'policy', item_deadline: 'policy', kicked: 'policy', superseded: 'policy', unauthenticated: 'policy',
  item_too_large: 'protocol', too_many_bad_items: 'protocol', tls_failed: 'protocol', proxy_header_invalid: 'protocol',
  out_of_memory: 'resource', shed: 'resource',
  drained: 'local', shutdown: 'local', gateway_lost: 'local', internal_error: 'local',
}));

export const kinds = ['peer', 'network', 'policy', 'protocol', 'resource', 'local'];

export const reasons = [...kindOfReason.keys()];

export const kindOf = (reason) => kindOfReason.get(reason) ?? 'local';

/** The colour of a reason in the scheme that is on: its own, or that of its kind. */
export function colorOf(reason) {
  const style = getComputedStyle(document.documentElement);
  return style.getPropertyValue(`--reason-${reason}`).trim() || style.getPropertyValue(`--kind-${kindOf(reason)}`).trim();
}

/** {peer_closed: 3, ...} with the largest first */
export const bySize = (closed) => Object.entries(closed).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);

export const sum = (closed) => Object.values(closed).reduce((all, count) => all + count, 0);
