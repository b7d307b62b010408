// Elements, made in one line. Texts become text nodes, so that nothing that a server says is ever read as markup.

const svgSpace = 'http://www.w3.org/2000/svg';

export const $ = id => document.getElementById(id);

// el makes an HTML element. An attribute that is false, null or undefined is left out; a function listens to the event of its name.
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

// svg makes an SVG element.
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(svgSpace, tag), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
