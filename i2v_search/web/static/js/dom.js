// Builds elements; text only ever becomes text, so that what images and tags are called cannot become markup.

export const get = (id) => document.getElementById(id);

/**
 * An element with its attributes and children.
 * `on` holds listeners; true and false set and leave out an attribute; null children are passed over.
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value === true) {
      element.setAttribute(key, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put `label` where it is read out and shown when pointed at. */
export function name(element, label) {
  element.setAttribute("aria-label", label);
  element.title = label;
  return element;
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Whether a key pressed in this element is text and not a command. */
export const typing = (element) =>
  element instanceof HTMLElement &&
  element.matches("input:not([type=range]):not([type=checkbox]):not([type=file]), textarea, select");
