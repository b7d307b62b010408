// The page: it asks the same API that everybody may ask, keeps what it shows in its URL, and follows the answer.

import { $ } from './dom.js';
import { Problem, keepToken, read } from './api.js';
import { amended, landed, whole } from './answer.js';
import { condition, largest } from './largest.js';
import { complete, fromURL, queryPath, streamPath, toURL, windowOf } from './question.js';
import { figures } from './figures.js';
import { follow } from './follow.js';
import * as alerts from './alerts.js';
import * as changes from './changes.js';
import * as controls from './controls.js';
import * as explanation from './explain.js';
import * as format from './format.js';
import * as health from './health.js';
import * as problems from './problem.js';
import * as share from './share.js';
import * as table from './table.js';
import { mostGroups } from './marks.js';

const healthEvery = 5_000, totalsEvery = 1_000; // ms
const mostRanks = 24;

const page = { catalogue: null, question: null, view: null, shown: null, stop: () => {}, asking: new AbortController(), starting: new AbortController(), snapshot: null, partial: false, totalsAt: 0, totalsTimer: 0 };

const explain = (time, group) => explanation.open(page.view, page.shown.answer.meta, page.question, time, group);

const drawn = figures({
  explain,
  narrow: group => {
    const { dimensions } = page.question;
    const only = condition(dimensions, dimensions.map(name => page.view.dimensions.find(d => d.name === name).type), [group]);
    ask({ ...page.question, where: page.question.where ? `(${page.question.where}) and ${only}` : only });
  },
});

// ask shows another question; kept says that it came from the URL, which is made whole then.
function ask(question, kept = false) {
  const { views } = page.catalogue;
  const view = views.find(v => v.name === question.view) ?? views[0];
  if (!view) return fail(new Problem({ title: 'There is no view', suggestion: 'declare one in the folder views/' }));
  if (page.view && view !== page.view) question = { ...question, where: '' };
  page.view = view;
  page.question = complete(question, view);
  controls.fill(page.question, views, view);
  history[kept ? 'replaceState' : 'pushState'](null, '', toURL(page.question));
  show();
}

// show asks the question of the page and follows its answer until another is asked.
async function show() {
  page.stop();
  page.asking.abort();
  page.asking = new AbortController();
  const { question, view } = page, { signal } = page.asking;
  $('landed').textContent = '';
  page.totalsAt = 0;
  lookAfter();
  try {
    const { asked, groups, left } = await largest(question, view, question.grain ? mostGroups : mostRanks, signal);
    if (signal.aborted) return;
    const take = (answer, fresh) => {
      problems.hide();
      connection('');
      page.shown = { ...page.shown, answer, question, view, groups: groups.length ? groups : [[]], left };
      render(fresh);
      share.draw(asked, view, answer.meta, page.catalogue.sql);
      news();
    };
    page.shown = { totals: null };
    page.stop = follow(streamPath(asked), {
      reset: result => take(whole(result, windowOf(question, view))),
      update: change => {
        const before = page.shown.answer, after = amended(before, change);
        take(after, arrival(before, after));
      },
      failure: problem => fail(new Problem(problem)),
      refused,
      lost: problem => connection(problem.title),
    });
  } catch (error) {
    if (error instanceof Problem) refused(error);
    else if (error.name !== 'AbortError') throw error;
  }
}

// arrival says that a batch has landed, and returns the keys of the rows that it made solid.
function arrival(before, after) {
  if (before.provenance.snapshot === after.provenance.snapshot) return new Set(); // what was live may be gone because the speed layer is away
  const solid = landed(before, after);
  if (solid.size) $('landed').textContent = `A batch landed at ${format.clock(Date.now())}: ${format.count(solid.size)} ${solid.size === 1 ? 'row rests' : 'rows rest'} on it now.`;
  return solid;
}

function render(fresh) {
  const { answer } = page.shown;
  $('shown').hidden = false;
  drawn.draw(page.shown, fresh);
  table.draw(answer, explain);
  $('note').textContent = answer.provenance.note;
  $('sentence').className = answer.provenance.partial ? 'partial' : answer.provenance.exact ? 'exact' : 'approximate';
}

// news brings what goes with the answer up to date: the totals at most once a second, the ledger and the health when another snapshot answers.
function news() {
  const { view } = page, { snapshot, partial } = page.shown.answer.provenance;
  const rests = `${view.name}/${snapshot}`;
  if (page.partial !== partial || page.snapshot !== rests) lookAfter();
  page.partial = partial;
  if (page.snapshot !== rests) {
    page.snapshot = rests;
    read(changes.changesPath(view.name)).then(ledger => view === page.view && changes.draw(ledger, view), changes.lost);
  }
  clearTimeout(page.totalsTimer);
  page.totalsTimer = setTimeout(totals, Math.max(0, page.totalsAt + totalsEvery - Date.now()));
}

async function totals() {
  page.totalsAt = Date.now();
  const { signal } = page.asking;
  try {
    const answer = whole(await read(queryPath({ ...page.question, dimensions: [], grain: '', compare: '' }), { signal }));
    page.shown = { ...page.shown, totals: answer };
    drawn.draw(page.shown);
  } catch (error) {
    if (error instanceof Problem) connection(error.title);
    else if (error.name !== 'AbortError') throw error;
  }
}

async function lookAfter() {
  const { view } = page;
  alerts.look(view.timezone);
  try {
    const status = await read('v1/status');
    if (view === page.view) health.draw(status, view.name, view.timezone);
  } catch (error) {
    health.lost(error);
  }
}

function connection(text) {
  const said = text || '● live';
  if ($('connection').textContent !== said) $('connection').textContent = said; // it is read aloud
  $('connection').className = text ? 'bad' : 'good';
}

// refused says that the question has no answer, and takes away that of the one before.
function refused(problem) {
  $('shown').hidden = true;
  $('note').textContent = 'There is no answer to this.';
  $('sentence').className = '';
  fail(problem);
}

function fail(problem) {
  if (problem.status === 401) {
    $('token').hidden = false;
    $('secret').focus();
  }
  problems.show(problem, (field, value) => { $(field).value = value; ask(controls.readControls()); });
}

// start reads the catalogue and asks what the URL says. One that was started later, as with another token, leaves an earlier one without a say.
async function start() {
  page.starting.abort();
  page.starting = new AbortController();
  try {
    page.catalogue = await read('v1/views', { signal: page.starting.signal });
  } catch (problem) {
    if (problem.name !== 'AbortError') fail(problem);
    return;
  }
  problems.hide();
  $('token').hidden = true;
  $('project').textContent = page.catalogue.project;
  document.title = `${page.catalogue.project} · caudal`;
  ask(fromURL(location.search), true);
}

// end is the moment up to which there is data.
const end = () => ({ ms: Date.parse(page.shown?.answer?.rows.at(-1)?.values.time ?? page.view.range?.to ?? new Date().toISOString()), timezone: page.view.timezone });

controls.listen(question => ask(question), end);
$('token').addEventListener('submit', event => {
  event.preventDefault();
  keepToken($('secret').value.trim());
  $('secret').value = '';
  problems.hide();
  start();
});
addEventListener('popstate', () => page.catalogue && ask(fromURL(location.search), true));
// A browser has six connections to a server over HTTP/1.1 for all its tabs: one that nobody sees gives its own back.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) page.stop();
  else if (page.question) show();
});
addEventListener('pagehide', () => page.stop());
addEventListener('pageshow', event => { if (event.persisted && page.question) show(); });
if (innerWidth < 640) $('choose').open = false;
setInterval(() => { if (!document.hidden && page.view) lookAfter(); }, healthEvery);
start();
