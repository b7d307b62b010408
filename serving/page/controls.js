// The controls: they are filled from the catalogue and from a question, and read as a question.

import { $, el } from './dom.js';
import { comparable, grainOf } from './question.js';

const spans = [['everything', null], ['1 day', 1], ['7 days', 7], ['30 days', 30], ['1 year', 365]]; // label, days

const periodNames = { '1h': 'an hour before', '1d': 'the day before', '1w': 'the week before', '4w': '4 weeks before', '52w': '52 weeks before', '1mo': 'the month before', '3mo': '3 months before', '1y': 'the year before' };

// fill shows a question; views are the catalogue's, view the one that is asked.
export function fill(question, views, view) {
  options($('view'), views.map(v => [v.name, v.name]), question.view);
  options($('grain'), [...view.grains.map(grain => [grain, grain]), ...view.windows.map(window => [grainOf(window), window.name]), ['', 'whole range']], question.grain);
  const periods = comparable(question.grain);
  options($('compare'), [['', 'nothing'], ...periods.map(period => [period, periodNames[period]])], question.compare);
  $('compare').disabled = !periods.length;
  chips($('measures'), 'measure', view.measures, question.measures);
  chips($('dimensions'), 'dimension', view.dimensions, question.dimensions);
  $('by').hidden = !view.dimensions.length;
  for (const name of ['from', 'to', 'where']) $(name).value = question[name];
  const example = view.dimensions.find(d => d.type === 'string');
  $('where').placeholder = example ? `${example.name} = '…'` : '';
  $('where').disabled = !view.dimensions.length;
}

// readControls is what the controls say.
export function readControls() {
  const chosen = id => [...$(id).querySelectorAll('input:checked')].map(input => input.value);
  return { view: $('view').value, measures: chosen('measures'), dimensions: chosen('dimensions'), grain: $('grain').value,
    from: $('from').value.trim(), to: $('to').value.trim(), where: $('where').value.trim(), compare: $('compare').value };
}

// listen calls changed(question) when something else is chosen. end gives the time (ms) and the zone up to which there is data, which the
// ranges by length are counted back from.
export function listen(changed, end) {
  for (const id of ['view', 'grain', 'measures', 'dimensions', 'from', 'to', 'where', 'compare']) $(id).addEventListener('change', () => changed(readControls()));
  $('controls').addEventListener('submit', event => { event.preventDefault(); changed(readControls()); });
  $('spans').append(...spans.map(([label, days]) => el('button', { type: 'button', class: 'span', click: () => {
    const at = days && end();
    $('from').value = at ? dayOf(at.ms - days * 86_400_000, at.timezone, $('grain').value) : '';
    $('to').value = '';
    changed(readControls());
  } }, label)));
}

// dayOf is the day of a moment as the API reads it; where months or years are asked for, the month or the year, as a range is on its grain.
function dayOf(ms, timezone, grain) {
  const day = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(ms);
  return day.slice(0, /^\d+y$/.test(grain) ? 4 : /^\d+mo$/.test(grain) ? 7 : 10);
}

function options(select, values, wanted) {
  select.replaceChildren(...values.map(([value, label]) => el('option', { value, selected: value === wanted }, label)));
}

function chips(holder, kind, entries, chosen) {
  const focused = document.activeElement?.closest('.chips') === holder ? document.activeElement.value : null;
  holder.replaceChildren(...entries.map(entry => el('label', { class: 'chip', title: entry.description ?? false },
    el('input', { type: 'checkbox', name: kind, value: entry.name, checked: chosen.includes(entry.name) }), el('span', {}, entry.name))));
  if (focused !== null) [...holder.querySelectorAll('input')].find(input => input.value === focused)?.focus();
}
