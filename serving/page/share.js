// What is shown, to take elsewhere: the address of the page, of the API, and the same by curl, each with a button that copies it.

import { $, el } from './dom.js';
import { hasToken } from './api.js';
import { followedRows, queryPath } from './question.js';

// draw shows how to ask a question.
export function draw(asked) {
  const address = new URL(queryPath(asked, { limit: followedRows }), location.href).href;
  const token = hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : '';
  const lines = [['Link to this page', location.href], ['API', address], ['curl', `curl ${token}'${address.replaceAll("'", '%27')}'`]];
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
