"use strict";
// Renders /api/openapi.json. Text goes in as text nodes only, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function link(schema) {
  const name = schema.$ref.split("/").pop();
  return el("a", { href: "#schema-" + name }, name);
}

/** A schema in one line of TypeScript-like words and links. */
function type(schema) {
  if (!schema || schema === true) return el("span", {}, "any");
  if (schema.$ref) return link(schema);
  const either = schema.oneOf || schema.anyOf;
  if (either) return joined(either.map(type), " | ");
  if (schema.allOf) return joined(schema.allOf.map(type), " & ");
  if (schema.enum) return el("code", {}, schema.enum.map((v) => JSON.stringify(v)).join(" | "));
  if (schema.const !== undefined) return el("code", {}, JSON.stringify(schema.const));
  if (schema.type === "array") return el("span", {}, type(schema.items), "[]");
  if (schema.properties) return fields(schema);
  const names = [].concat(schema.type || "any").join(" | ");
  return el("code", {}, names + (schema.format ? " (" + schema.format + ")" : ""));
}

function joined(nodes, separator) {
  const span = el("span");
  nodes.forEach((node, i) => span.append(i ? separator : "", node));
  return span;
}

function fields(schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties).map(([name, property]) =>
    el("tr", {},
      el("td", {}, el("code", {}, name + (required.has(name) ? "" : "?"))),
      el("td", {}, type(property)),
      el("td", {}, property.description || "")));
  return el("table", {}, el("tbody", {}, ...rows));
}

function bodyType(content) {
  const [kind, media] = Object.entries(content || {})[0] || [];
  if (!kind) return null;
  return el("span", {}, media.schema ? type(media.schema) : "", " ", el("code", {}, kind));
}

function operation(path, method, op) {
  const section = el("section", { id: op.operationId || method + path });
  section.append(el("h3", {}, method.toUpperCase() + " " + path));
  if (op.summary || op.description) section.append(el("p", {}, op.description || op.summary));
  const who = (op.security || []).flatMap((s) => Object.keys(s));
  if (who.length) section.append(el("p", {}, "Needs: " + who.join(" or ")));
  if (op.requestBody) section.append(el("p", {}, "Body: ", bodyType(op.requestBody.content)));
  const rows = Object.entries(op.responses || {}).map(([status, response]) =>
    el("tr", {}, el("th", { scope: "row" }, status), el("td", {}, response.description || ""),
      el("td", {}, bodyType(response.content))));
  section.append(el("table", {}, el("tbody", {}, ...rows)));
  return section;
}

function render(api) {
  const main = document.getElementById("main");
  const nav = document.getElementById("contents");
  document.getElementById("about").textContent = api.info.description;
  const tags = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((m) => item[m])) {
      const tag = (item[method].tags || ["Other"])[0];
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push([path, method, item[method]]);
    }
  }
  for (const [tag, operations] of tags) {
    nav.append(el("h2", {}, tag));
    main.append(el("h2", {}, tag));
    for (const [path, method, op] of operations) {
      const section = operation(path, method, op);
      nav.append(el("a", { href: "#" + section.id }, method.toUpperCase() + " " + path.replace("/api/v1", "")));
      main.append(section);
    }
  }
  nav.append(el("h2", {}, el("a", { href: "#schemas" }, "Schemas")));
  main.append(el("h2", { id: "schemas" }, "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas).sort()) {
    main.append(el("section", { id: "schema-" + name }, el("h3", {}, name),
      el("p", {}, schema.description || ""), type(schema)));
  }
}

fetch("/api/openapi.json")
  .then((response) => response.json())
  .then(render)
  .catch((error) => { document.getElementById("about").textContent = "The document could not be read: " + error; });
