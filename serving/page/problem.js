// Shows why there is no answer, with what to do about it.

import { $, el } from './dom.js';

// show puts a problem on the page. take(field, value) puts a value that would do into the field that is at fault.
export function show(problem, take) {
  const nearest = problem.field && $(problem.field) ? problem.nearest : [];
  $('problem').replaceChildren(el('strong', {}, problem.title || 'There is no answer'), el('p', {}, problem.message),
    problem.suggestion ? el('p', { class: 'suggestion' }, sentence(problem.suggestion)) : null,
    nearest.length ? el('p', {}, ...nearest.slice(0, 4).map(value => el('button', { type: 'button', click: () => take(problem.field, value) }, value))) : '');
  $('problem').hidden = false;
}

export const hide = () => { $('problem').hidden = true; };

const sentence = text => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
