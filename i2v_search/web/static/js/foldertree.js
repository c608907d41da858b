// The folders of a collection as a tree, of which only the open part is a list of rows.

/** A tree of what the server lists: folders {path, name, images, level, parent, children}, by path. */
export function treeOf(listed) {
  const folders = new Map(), tops = [];
  for (const { path, images } of listed) {
    if (!path) continue; // what lies above "/" is everything
    // The nearest folder above that is listed: paths may begin with "/", and archives hold folders too.
    let above = path, parent;
    while (!parent && above.includes("/")) {
      above = above.slice(0, above.lastIndexOf("/"));
      parent = folders.get(above) ?? folders.get(above.replace(/!$/, ""));
    }
    const name = parent ? path.slice(parent.path.length).replace(/^!?\//, "") : path;
    const folder = { path, name, images, level: parent ? parent.level + 1 : 1, parent, children: [] };
    folders.set(path, folder);
    (parent?.children ?? tops).push(folder);
  }
  return { folders, tops };
}

/** The folders that are seen where those in `open`, a set of paths, show what they hold; top to bottom. */
export function rowsOf({ tops }, open) {
  const rows = [];
  const add = (folders) => folders.forEach((folder, at) => {
    rows.push({ folder, place: at + 1, beside: folders.length });
    if (open.has(folder.path)) add(folder.children);
  });
  add(tops);
  return rows;
}
