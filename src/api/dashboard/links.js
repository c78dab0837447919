// The addresses of the pages. Imports nothing, so that every page may link every other.

/** Returns the address of a connection's page; for one that has `ended`, with its last lives only. */
export const connectionPage = (conn, peer, ended = false) =>
  `#/connections/${encodeURIComponent(conn)}?peer=${encodeURIComponent(peer)}${ended ? '&ended=1' : ''}`;

export const connectionsPage = (query) => `#/connections?${new URLSearchParams(query)}`;

export const devicePage = (id) => `#/devices/${encodeURIComponent(id)}`;

/** Returns the address of an alarm's page. */
export const alarmPage = (id) => `#/alarms/${encodeURIComponent(id)}`;

/** Returns the address of the closed connections of a search, such as {peer: '10.2.0.0/16'}. */
export const closedPage = (query) => `#/ended?${new URLSearchParams(query)}`;

/** Returns the address of the bad items of a search, such as {id: 'device-17'}. */
export const badPage = (query) => `#/bad?${new URLSearchParams(query)}`;
