// The order of the pictures, and a new shuffle of the random one.

import { get, h } from "./dom.js";
import { ORDERS, canSort, change, orderOf, subscribe, withOrder } from "./state.js";
import { TEXT } from "./strings.js";

const options = new Map(ORDERS.map((order) => [order, h("option", { value: order }, TEXT.orders[order])]));

export function start() {
  get("order").replaceChildren(...options.values());
  get("order").addEventListener("change", () => change(withOrder(get("order").value)));
  get("shuffle").addEventListener("click", () => change(withOrder("random")));
  subscribe((now) => {
    for (const order of ["likeness", "board"]) options.get(order).hidden = options.get(order).disabled = !canSort(now, order);
    get("order").value = orderOf(now);
    get("shuffle").hidden = now.order !== "random";
  });
}
