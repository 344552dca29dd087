/** Runs the tasks of one key one after the other, in the order in which they came; those of other keys beside them. */
export function serialByKey() {
  const last = new Map();
  return (key, task) => {
    const result = (last.get(key) ?? Promise.resolve()).then(task);
    const ended = result
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === ended) last.delete(key);
      });
    last.set(key, ended);
    return result;
  };
}
