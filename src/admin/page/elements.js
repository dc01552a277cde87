// Creates and changes elements. Text is always text, never markup.

/** @typedef {Record<string, string | number | boolean | null>} Attributes */
/**
 * The view of an item; `remove` releases what its element doesn't.
 *
 * @template Item
 * @typedef {{ root: Element, update(item: Item): void, remove?(): void }} View
 */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes] null and false leave one out
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) setAttribute(made, key, value)
  made.append(...children.filter((child) => child !== null))
  return made
}

/**
 * @param {Element} target
 * @param {string} key
 * @param {string | number | boolean | null} value
 */
export function setAttribute(target, key, value) {
  if (value === null || value === false) target.removeAttribute(key)
  else target.setAttribute(key, value === true ? '' : String(value))
}

/**
 * Changes the text only if it differs, to keep selections and not to repeat screen reader output.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

/**
 * Renders one element per item, in order. Items with the same key keep their element.
 *
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => View<Item>} make
 */
export function renderList(parent, items, keyOf, make) {
  const views = viewsOf(parent)
  const keys = new Set(items.map(keyOf))
  for (const [key, view] of views) {
    if (keys.has(key)) continue
    view.root.remove()
    view.remove?.()
    views.delete(key)
  }
  items.forEach((item, at) => {
    const key = keyOf(item)
    const view = views.get(key) ?? make(item)
    views.set(key, view)
    view.update(item)
    const there = parent.children[at]
    if (there !== view.root) parent.insertBefore(view.root, there ?? null)
  })
}

/** @type {WeakMap<Element, Map<string, View<any>>>} */
const known = new WeakMap()

/** @param {Element} parent */
function viewsOf(parent) {
  const views = known.get(parent) ?? new Map()
  known.set(parent, views)
  return views
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`No element ${id}`)
  return found
}
