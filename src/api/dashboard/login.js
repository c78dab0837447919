// Requests the token from the user when the gateway requires one.

import {byId, say} from './dom.js';
import {door, hasToken, lock, unlock} from './token.js';

export function startLogin() {
  const dialog = byId('login');
  const field = byId('login-token');
  door.addEventListener('locked', () => {
    byId('lock').hidden = true;
    if (!dialog.open) dialog.showModal();
  });
  door.addEventListener('opened', () => { byId('lock').hidden = !hasToken(); });
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  byId('lock').hidden = !hasToken();
  byId('lock').addEventListener('click', () => {
    lock();
    location.reload();  // forgets the shown data, too
  });
  byId('login-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const trouble = await unlock(field.value.trim());
    say(byId('login-trouble'), trouble || '\u00a0');
    field.setAttribute('aria-invalid', String(trouble !== ''));
    if (trouble) {
      field.select();
      return;
    }
    field.value = '';
    dialog.close();
  });
}
