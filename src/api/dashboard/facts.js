// Rows of facts about a connection or a device, and lines of evidence: several pages show them.

import {visible} from './dom.js';
import {bytes, duration, microseconds, milliseconds, number, when} from './format.js';
import {devicePage} from './links.js';

/** Returns the rows of an identified device. */
export const identityFacts = ({id, session}) => [
  ...(id === undefined ? [] : [['Device', visible(id), 'its connections at all gateways', devicePage(id)]]),
  ...(session === undefined ? [] : [['Session', visible(session), 'of the item numbers']]),
];

/** Returns the rows of an open connection. */
export function generalFacts(one) {
  return [
    ...identityFacts(one),
    ['Key', one.key === null ? 'no item yet' : visible(one.key)],
    ['Connection', one.conn],
    ['Listener', one.listener],
    ['Connected', `${duration(one.age_s)} ago`, one.connected_at],
    ...(one.suspect_since ? [['Suspect', `since ${when(one.suspect_since)} UTC`, 'probed on suspicion and silent since; open until its plan ends it']] : []),
    ...(one.liveness === 'path' ? [['Liveness', 'path', 'a proxy answers probes in place of the device']] : []),
    ['Last item', one.key === null ? 'none yet' : `${duration(one.since_item_s)} ago`],
    ['Items', number(one.items)],
    ['Received', bytes(one.bytes_in), `${number(one.bytes_in)} bytes`],
    ['Sent', bytes(one.bytes_out), `${number(one.bytes_out)} bytes`],
    ['Unfinished item', bytes(one.unfinished_item_bytes)],
    ['Waiting to be sent', bytes(one.downlink_queue_bytes)],
  ];
}

/** Returns the evidence rows; `before` is the suffix of ages: "ago", or "before the end". */
export function evidenceFacts(evidence, before) {
  return [
    ['Last heard', `${milliseconds(evidence.last_heard_ms)} ${before}`, 'any segment from the peer'],
    ['Last acknowledged', `${milliseconds(evidence.last_ack_ms)} ${before}`, 'tcpi_last_ack_recv'],
    ['Probes unanswered', number(evidence.probes)],
    ['Retransmissions', number(evidence.retransmits)],
    ['Unacknowledged', bytes(evidence.unacked_bytes)],
    ['Unsent', bytes(evidence.unsent_bytes)],
    ['Peer\u2019s window', bytes(evidence.peer_window), evidence.peer_window === 0 ? 'the peer does not read' : ''],
    ['Round trip', microseconds(evidence.rtt_us)],
  ];
}

/** Returns the evidence in a line, without zeros; of a lost gateway's connection, which has none, the detail. */
export function evidenceLine(life) {
  const {evidence} = life;
  if (!evidence) return life.detail ? visible(life.detail) : '';
  const said = [
    life.error, life.detail && visible(life.detail),
    evidence.probes && `${number(evidence.probes)} probes unanswered`,
    evidence.retransmits && `${number(evidence.retransmits)} retransmissions`,
    evidence.unacked_bytes && `${number(evidence.unacked_bytes)} B unacknowledged`,
    evidence.unsent_bytes && `${number(evidence.unsent_bytes)} B unsent`,
    life.kind === 'network' && `last heard ${milliseconds(evidence.last_heard_ms)} before`,
  ];
  return said.filter(Boolean).join(', ');
}

/** Returns "device-17 · 10.20.30.40": the device's id, if it has one, and the key of its latest item. */
export function keyOf(row) {
  return [row.id, row.key].filter((one) => one !== null && one !== undefined).map(visible).join(' · ') || '–';
}
