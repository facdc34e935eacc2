// An agent's input and result, whatever they are made of: JSON as lists and tables.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { words } from "./format.js";

const MOST = 100, DEEPEST = 6, COLUMNS = 7, SHORT = 32;
const isPlain = (value) => value === null || typeof value !== "object";
const isEmpty = (value) => value === null || value === "" || (typeof value === "object" && !Object.keys(value).length);

const isShort = (value) => typeof value === "string" && value.length <= SHORT;
const isShortList = (value) => Array.isArray(value) && value.every(isShort);
const isInLine = (value) => isPlain(value) || isEmpty(value) || isShortList(value);

export function shownValue(value, depth = 0) {
  if (isEmpty(value)) return html`<span class="muted">–</span>`;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return shownText(value);
  if (depth > DEEPEST) return html`<code>${JSON.stringify(value)}</code>`;
  return Array.isArray(value) ? shownList(value, depth) : shownObject(value, depth);
}

/** What an agent answered, for reading: figures first, then texts, lists and what is deeper, each below its name. */
export function shownResult(value) {
  if (isPlain(value) || Array.isArray(value)) return shownValue(value);
  const known = Object.entries(value).filter(([, one]) => !isEmpty(one));
  if (!known.length) return html`<p class="muted">It says nothing more.</p>`;
  const figures = known.filter(([, one]) => isFigure(one)), parts = known.filter(([, one]) => !isFigure(one));
  return html`
    ${figures.length ? html`<dl class="facts">${figures.map(([name, one]) => html`
      <div><dt>${words(name)}</dt><dd class=${one === true ? "yes" : one === false ? "no" : ""}>${shownValue(one)}</dd></div>`)}</dl>` : nothing}
    ${parts.map(([name, one]) => html`
      <h3>${words(name)}${Array.isArray(one) ? html` <span class="muted">${one.length}</span>` : nothing}</h3>${shownValue(one, 1)}`)}`;
}

const isFigure = (value) => isPlain(value) && String(value).length <= 60 && !String(value).includes("\n");

function shownText(text) {
  if (/^https?:\/\/\S+$/.test(text)) return html`<a href=${text} target="_blank" rel="noopener noreferrer">${text}</a>`;
  return text.includes("\n") || text.length > 120 ? html`<div class="prose">${text}</div>` : text;
}

function shownList(list, depth) {
  const shown = list.slice(0, MOST);
  const more = list.length > MOST ? html`<p class="muted">and ${list.length - MOST} more</p>` : nothing;
  const keys = [...new Set(shown.flatMap((item) => (isPlain(item) || Array.isArray(item) ? [] : Object.keys(item))))];
  if (keys.length && keys.length <= COLUMNS && shown.every(isRow)) return html`${table(shown, keys)}${more}`;
  const items = shown.map((item) => html`<li>${shownValue(item, depth + 1)}</li>`);
  return html`<ul class=${isShortList(list) ? "chips" : "values"}>${items}</ul>${more}`;
}

const isRow = (item) => !isPlain(item) && Object.values(item).every(isPlain);

const table = (rows, keys) => html`
  <div class="scroll" tabindex="0" role="group" aria-label="Table">
    <table class="plain">
      <thead><tr>${keys.map((key) => html`<th scope="col">${words(key)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`
        <tr>${keys.map((key) => html`<td>${shownValue(row[key] ?? null)}</td>`)}</tr>`)}</tbody>
    </table>
  </div>`;

const shownObject = (object, depth) => html`
  <dl class="values">${Object.entries(object).map(([key, value]) => html`
    <div class=${isInLine(value) ? "" : "deep"}><dt>${words(key)}</dt><dd>${shownValue(value, depth + 1)}</dd></div>`)}
  </dl>`;
