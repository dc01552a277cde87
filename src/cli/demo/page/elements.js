// Makes elements. Text is always text, never markup.

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, ...children) {
  const made = document.createElement(name)
  made.append(...children)
  return made
}

/** @param {...(Node | string)} children */
export function control(...children) {
  const button = element('button', ...children)
  button.type = 'button'
  return button
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`No element ${id}`)
  return found
}

/** @param {string} id */
export function inputOf(id) {
  return /** @type {HTMLInputElement} */ (byId(id))
}
