// The cursor of a chart: by pointer or by keyboard it stands on a bucket and tells its numbers and where they come from. Left and right go
// from bucket to bucket, up and down from group to group, Enter explains, Escape leaves.

import { el, svg } from './dom.js';
import * as format from './format.js';

// attach makes a drawn chart answer pointer and keys. says(i) names a bucket, measure is the catalogue's, explain(i, group) opens an explanation,
// live is the region that screen readers read aloud. kept is {bucket, group} of the cursor of the chart that this one replaces, or null; the
// function that is returned gives the present one.
export function attach(holder, { element, frame }, arranged, { measure, snapshot, says, explain, live, kept }) {
  const tip = el('div', { class: 'tip', hidden: true });
  const guide = svg('line', { class: 'guide', y1: 0, y2: frame.height, visibility: 'hidden' });
  element.firstChild.append(guide);
  holder.append(tip);
  const { series, times } = arranged;
  let at = { bucket: -1, group: 0 };

  function stand(bucket, group, aloud) {
    at = { bucket, group: Math.min(Math.max(group, 0), series.length - 1) };
    const away = bucket < 0;
    tip.hidden = away;
    guide.setAttribute('visibility', away ? 'hidden' : 'visible');
    for (const mark of element.querySelectorAll('.mark')) mark.classList.toggle('under', Number(mark.dataset.index) === bucket);
    if (away) return;
    const x = frame.x.middle(bucket);
    guide.setAttribute('x1', x);
    guide.setAttribute('x2', x);
    fill(tip, says(bucket), lines(bucket), snapshot);
    place(tip, holder, frame.left + x);
    if (aloud) live.textContent = spoken(bucket);
  }

  const lines = bucket => series.map((s, i) => ({ name: s.name, point: s.points[bucket], number: i, chosen: series.length > 1 && i === at.group })).filter(line => line.point)
    .map(line => ({ ...line, text: format.number(line.point.shown, measure.type), ...told(line.point) }));
  const told = point => point.origin ? { source: format.source(point.origin), certainty: format.certainty(point.origin, measure.name) } : { source: 'no event', certainty: 'exact' };

  function spoken(bucket) {
    const line = lines(bucket).find(line => line.number === at.group);
    if (!line) return `${says(bucket)}: no value`;
    return [says(bucket) + ':', line.name, line.text, measure.unit ?? '', '–', line.source + ',', line.certainty].filter(Boolean).join(' ');
  }

  const nearest = clientX => {
    const x = clientX - element.getBoundingClientRect().left - frame.left;
    if (x < -4 || x > frame.width + 4) return -1;
    return times.reduce((best, _, i) => Math.abs(frame.x.middle(i) - x) < Math.abs(frame.x.middle(best) - x) ? i : best, 0);
  };
  const closest = (bucket, clientY) => {
    const y = clientY - element.getBoundingClientRect().top - frame.top;
    const off = s => s.points[bucket] ? Math.abs(frame.y(s.points[bucket].value) - y) : Infinity;
    return series.reduce((best, s, i) => off(s) < off(series[best]) ? i : best, 0);
  };
  element.addEventListener('pointermove', event => {
    const bucket = nearest(event.clientX);
    stand(bucket, bucket < 0 ? at.group : closest(bucket, event.clientY), false);
  });
  element.addEventListener('pointerleave', () => stand(-1, at.group, false));
  element.addEventListener('click', event => {
    const bucket = nearest(event.clientX);
    if (bucket >= 0) explain(bucket, series[closest(bucket, event.clientY)].group);
  });
  const last = times.length - 1;
  const moves = {
    ArrowRight: () => stand(Math.min(at.bucket + 1, last), at.group, true), ArrowLeft: () => stand(at.bucket < 0 ? last : Math.max(at.bucket - 1, 0), at.group, true),
    PageDown: () => stand(Math.min(at.bucket + 10, last), at.group, true), PageUp: () => stand(Math.max(at.bucket - 10, 0), at.group, true),
    Home: () => stand(0, at.group, true), End: () => stand(last, at.group, true),
    ArrowDown: () => stand(Math.max(at.bucket, 0), at.group + 1, true), ArrowUp: () => stand(Math.max(at.bucket, 0), at.group - 1, true),
    Escape: () => stand(-1, at.group, false), Enter: () => at.bucket >= 0 && explain(at.bucket, series[at.group].group),
  };
  holder.onkeydown = event => {
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    moves[event.key]();
  };
  holder.onblur = () => stand(-1, at.group, false);
  if (kept) stand(Math.min(kept.bucket, last), kept.group, false);
  return () => at;
}

// fill writes the tip. Where all lines come from the same and are equally sure, that is said once.
function fill(tip, title, lines, snapshot) {
  const origin = line => `${line.source} · ${line.certainty}`;
  const alike = lines.length > 1 && lines.every(line => origin(line) === origin(lines[0]));
  tip.replaceChildren(el('strong', {}, title),
    ...lines.map(line => el('div', { class: `tip-line c${line.number}${line.chosen ? ' chosen' : ''}` },
      line.name ? el('span', { class: 'tip-name' }, line.name) : null, el('span', { class: 'tip-value' }, line.text),
      alike ? null : el('span', { class: 'tip-origin' }, origin(line)))),
    alike ? el('div', { class: 'tip-origin' }, origin(lines[0])) : '',
    el('small', {}, snapshot ? `snapshot ${snapshot}` : 'no batch yet', el('br'), 'click or Enter explains'));
}

// place keeps the tip within the chart, beside the guide.
function place(tip, holder, x) {
  const room = holder.clientWidth, width = tip.offsetWidth;
  const left = x + 14 + width <= room ? x + 14 : x - 14 - width;
  tip.style.left = Math.max(0, Math.min(left, room - width)) + 'px';
}
