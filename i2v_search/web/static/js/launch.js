// The launch token: proof that this page was opened by the server on this computer. It comes in the part of the
// address after "#", which is sent nowhere, and is kept for this browser until the server starts anew.

const KEPT = "i2v-launch";
let token = "";

/** Take the token out of the address, or the one kept before; storage may be forbidden. */
function learn() {
  const [, given] = /^#launch=([\w-]{16,200})$/.exec(location.hash) ?? [];
  try {
    if (given) localStorage.setItem(KEPT, given);
    token = given ?? localStorage.getItem(KEPT) ?? "";
  } catch {
    token = given ?? "";
  }
  if (given) history.replaceState(history.state, "", location.pathname + location.search);
}
learn();

/** Headers of a request that this computer's desktop takes part in. */
export const launchHeaders = () => (token ? { "X-Launch-Token": token } : {});
/** Whether this page was opened by the server on this computer, as far as is known. */
export const launched = () => Boolean(token);
/** The server knows no such token: it was started anew. */
export function forgetLaunch() {
  token = "";
  try {
    localStorage.removeItem(KEPT);
  } catch { /* nothing was kept */ }
}
