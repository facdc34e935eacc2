// A form made of a JSON schema, as pydantic writes it: `anyOf` with null, `$ref`, enums, bounds, lists, nested objects.
// What is left empty, or as it was, is not sent: the agent's own default holds.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { words } from "./format.js";

const LONG = 200;

/** A schema without its indirections: the referenced one, and the one that is not null. */
export function resolve(schema, root) {
  if (schema.$ref) return { ...resolve(root.$defs[schema.$ref.split("/").at(-1)], root), ...without(schema, "$ref") };
  const real = schema.anyOf?.filter((one) => one.type !== "null");
  if (real?.length === 1) return { ...resolve(real[0], root), ...without(schema, "anyOf"), isNullable: true };
  return schema;
}

const without = (object, key) => Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));

/** How a field is filled in. */
export function kindOf(schema, root) {
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "check";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "object" && schema.properties) return "group";
  if (schema.type === "array" && resolve(schema.items, root).type === "string" && !schema.items.enum) return "list";
  if (schema.type === "string") return schema.format === "date" ? "date" : (schema.maxLength ?? LONG) > LONG ? "text" : "line";
  return "json";
}

/** The fields of an object, bound to `values` (path → what was typed); `problems` are of the API, by path. */
export function fields(schema, { root, path, values, problems, changed }) {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).map(([name, one]) => {
    const found = resolve(one, root), here = `${path}.${name}`;
    const context = { root, values, problems, changed, path: here, name, isRequired: required.has(name) };
    return kindOf(found, root) === "group" ? group(found, context) : field(found, context);
  });
}

const group = (schema, context) => html`
  <fieldset class="group"><legend>${words(context.name)}${context.isRequired ? nothing : html` <span class="optional">optional</span>`}</legend>
    ${schema.description ? html`<p class="hint">${schema.description}</p>` : nothing}
    ${problem(context.path, context.problems)}
    ${fields(schema, context)}</fieldset>`;

function field(schema, context) {
  const { path, name, isRequired, problems } = context, kind = kindOf(schema, context.root);
  if (kind === "check") return html`
    <div class="field">${control(kind, schema, context)}${hint(schema, path)}${problem(path, problems)}</div>`;
  return html`
    <div class="field">
      <label for=${path}>${words(name)}${isRequired ? nothing : html` <span class="optional">optional</span>`}</label>
      ${control(kind, schema, context)}
      ${hint(schema, path, { list: "One per line.", json: `JSON${example(schema, context.root)}` }[kind])}
      ${problem(path, problems)}
    </div>`;
}

function control(kind, schema, { path, name, values, problems, changed, isRequired }) {
  const bad = problems.has(path), value = values.get(path);
  const hasHint = schema.description || kind === "list" || kind === "json";
  const describedBy = [hasHint && `${path}-hint`, bad && `${path}-problem`].filter(Boolean).join(" ");
  const put = (event) => (values.set(path, typed(event.target)), changed());
  const aria = { invalid: bad ? "true" : nothing, described: describedBy || nothing };
  if (kind === "check") return html`
    <label class="check"><input type="checkbox" id=${path} .checked=${value ?? schema.default ?? false} @change=${put}
      aria-invalid=${aria.invalid} aria-describedby=${aria.described}> ${words(name)}</label>`;
  if (kind === "choice") return html`
    <select id=${path} @change=${put} aria-invalid=${aria.invalid} aria-describedby=${aria.described} ?required=${isRequired}>
      ${schema.default === undefined || schema.default === null ? html`<option value="">–</option>` : nothing}
      ${schema.enum.map((one) => html`<option value=${one} ?selected=${one === (value ?? schema.default)}>${one}</option>`)}
    </select>`;
  if (["text", "list", "json"].includes(kind)) return html`
    <textarea id=${path} rows=${kind === "text" ? 4 : 3} .value=${value ?? ""} @input=${put} class=${kind === "json" ? "mono" : ""}
      aria-invalid=${aria.invalid} aria-describedby=${aria.described} ?required=${isRequired}></textarea>`;
  return html`
    <input id=${path} type=${{ number: "number", date: "date", line: "text" }[kind]} .value=${value ?? ""} @input=${put}
      placeholder=${schema.default ?? ""} min=${schema.minimum ?? nothing} max=${schema.maximum ?? nothing}
      step=${schema.type === "number" ? "any" : nothing} maxlength=${schema.maxLength ?? nothing} autocomplete="off"
      aria-invalid=${aria.invalid} aria-describedby=${aria.described} ?required=${isRequired}>`;
}

/** What a person has put into a control. */
export const typed = (control) => (control.type === "checkbox" ? control.checked : control.value);

function hint(schema, path, more) {
  const said = [schema.description, more].filter(Boolean).join(" ");
  return said ? html`<p class="hint" id="${path}-hint">${said}</p>` : nothing;
}

export const problem = (path, problems) =>
  problems.has(path) ? html`<p class="problem" id="${path}-problem">${problems.get(path)}</p>` : nothing;

function example(schema, root) {
  const item = schema.items && resolve(schema.items, root);
  const names = Object.keys(item?.properties ?? {}).map((name) => `"${name}": …`);
  return names.length ? `, such as [{${names.join(", ")}}]` : "";
}

/** What was filled in, as the API wants it. `problems` gets what is no JSON. */
export function collect(schema, { root, path, values, problems }) {
  const entries = Object.entries(schema.properties ?? {}).map(([name, one]) => {
    const found = resolve(one, root), here = `${path}.${name}`;
    if (kindOf(found, root) !== "group") return [name, read(found, values.get(here), here, { root, problems })];
    const inside = collect(found, { root, path: here, values, problems });
    return [name, Object.keys(inside).length ? inside : undefined];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function read(schema, value, path, { root, problems }) {
  if (value === undefined || value === "" || value === schema.default) return undefined;
  switch (kindOf(schema, root)) {
    case "number":
      return Number(value);
    case "list":
      return value.split("\n").map((line) => line.trim()).filter(Boolean);
    case "json":
      try {
        return JSON.parse(value);
      } catch (error) {
        problems.set(path, `This is no JSON: ${error.message}`);
        return undefined;
      }
    default:
      return value;
  }
}

/** The API's problems by the field they belong to: the nearest there is; others by their own name. */
export function problemsByField(details, isField) {
  const found = new Map();
  for (const { field: place, problem: text } of details) {
    const parts = place.replace(/^body\./, "").split(".");
    let count = parts.length;
    while (count > 1 && !isField(parts.slice(0, count).join("."))) count--;
    const path = parts.slice(0, count).join("."), rest = parts.slice(count).join(".");
    const said = rest ? `${rest}: ${text}` : text;
    found.set(path, found.has(path) ? `${found.get(path)}; ${said}` : said);
  }
  return found;
}
