// Keeps a chart of many values readable: it asks for those with the largest first measure over the range, and narrows the question to them.

import { read } from './api.js';
import { queryPath } from './question.js';

// largest returns the question narrowed to at most so many groups, and the groups, the largest first, each a list of the dimensions' values.
export async function largest(question, view, most, signal) {
  if (!question.dimensions.length) return { asked: question, groups: [[]], left: 0 };
  const top = await read(queryPath({ ...question, grain: '', compare: '', measures: question.measures.slice(0, 1) }, { order: '-' + question.measures[0], limit: most }), { signal });
  const groups = top.data.map(row => question.dimensions.map(name => row[name]));
  const left = top.statistics.total_rows - groups.length;
  if (left <= 0) return { asked: question, groups, left: 0 };
  const types = question.dimensions.map(name => view.dimensions.find(d => d.name === name).type);
  const only = condition(question.dimensions, types, groups);
  return { asked: { ...question, where: question.where ? `(${question.where}) and ${only}` : only }, groups, left };
}

// condition holds for rows of the groups.
export function condition(dimensions, types, groups) {
  if (dimensions.length > 1) {
    return '(' + groups.map(group => '(' + group.map((value, i) => equals(dimensions[i], types[i], value)).join(' and ') + ')').join(' or ') + ')';
  }
  const values = groups.map(group => group[0]), given = values.filter(value => value !== null), terms = [];
  if (given.length === 1) terms.push(equals(dimensions[0], types[0], given[0]));
  if (given.length > 1) terms.push(`${name(dimensions[0])} in (${given.map(value => literal(value, types[0])).join(', ')})`);
  if (given.length < values.length) terms.push(equals(dimensions[0], types[0], null));
  return terms.length > 1 ? `(${terms.join(' or ')})` : terms[0];
}

const equals = (dimension, type, value) => value === null ? `${name(dimension)} is null` : `${name(dimension)} = ${literal(value, type)}`;

const name = dimension => /^[A-Za-z_][A-Za-z0-9_]*$/.test(dimension) ? dimension : `"${dimension.replaceAll('"', '""')}"`;

const literal = (value, type) => /^(string|timestamp|date)/.test(type) ? `'${String(value).replaceAll("'", "''")}'` : String(value);
