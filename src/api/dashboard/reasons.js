// The reasons why connections end, and their kinds, in the order of the stacked bars. The gateway serves the table.

import {kindOfReason, kinds} from './reason_table.js';

export {kinds};

export const reasons = [...kindOfReason.keys()];

export const kindOf = (reason) => kindOfReason.get(reason) ?? 'local';

/** Returns the colour of a reason in the current scheme: its own, or that of its kind. */
export function colorOf(reason) {
  const style = getComputedStyle(document.documentElement);
  return style.getPropertyValue(`--reason-${reason}`).trim() || style.getPropertyValue(`--kind-${kindOf(reason)}`).trim();
}

/** Returns {peer_closed: 3, ...} with the largest first. */
export const bySize = (closed) => Object.entries(closed).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);

export const sum = (closed) => Object.values(closed).reduce((all, count) => all + count, 0);
