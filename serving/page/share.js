// What is shown, to take elsewhere: the address of the page, of the API, and the same by curl and in SQL, each with a button that copies it.

import { $, el } from './dom.js';
import { hasToken } from './api.js';
import { followedRows, queryPath } from './question.js';
import * as sql from './sql.js';

// draw shows how to ask the question that was asked of a view and answered with meta; door is where the server takes SQL, if it does.
export function draw(asked, view, meta, door) {
  const address = new URL(queryPath(asked, { limit: followedRows }), location.href).href;
  const token = hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : '';
  const lines = [['Link to this page', location.href], ['API', address], ['curl', `curl ${token}'${address.replaceAll("'", '%27')}'`]];
  const statement = door ? sql.select(asked, view, meta, followedRows) : '';
  if (statement) lines.push(['SQL', statement], ['psql', `psql -h ${location.hostname} -p ${door.port} -d ${door.database}`]);
  const before = [...$('share').querySelectorAll('code')].map(code => code.textContent);
  if (before.length === lines.length && lines.every(([, text], i) => text === before[i])) return; // nobody loses the focus to an update
  $('share').replaceChildren(...lines.map(([name, text]) => {
    const code = el('code', { tabindex: 0, 'aria-label': name }, text), said = el('span', { class: 'copied', role: 'status' });
    return el('div', { class: 'share' }, el('span', { class: 'share-name' }, name), code,
      el('button', { type: 'button', 'aria-label': `Copy ${name}`, click: async () => { said.textContent = await copy(code) ? 'copied' : 'selected: press Ctrl+C'; } }, 'Copy'), said);
  }));
}

// copy puts an element's text on the clipboard. Without https and off the loopback a browser gives no access to it: then the text is selected.
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
