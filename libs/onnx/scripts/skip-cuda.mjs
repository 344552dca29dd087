/**
 * Runs before the package is installed. On Linux the install script of onnxruntime-node downloads the libraries of its CUDA
 * provider, some hundred MB from outside the npm registry, where it does not find them. Few need them, so files that say
 * so stand in their places. They are replaced by `npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12`; where
 * that option is given at once, nothing is done here.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const NOTE = 'Not downloaded. npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12 does.\n';

const asked = process.env.npm_config_onnxruntime_node_install ?? process.env.ONNXRUNTIME_NODE_INSTALL;
if (asked === undefined) {
  for (const file of downloads()) if (!existsSync(file)) writeFileSync(file, NOTE);
}

/** The files that the install script downloads on this platform, by its own list. */
function downloads() {
  const require = createRequire(import.meta.url);
  const home = path.dirname(require.resolve('onnxruntime-node/package.json'));
  const platform = `${process.platform}/${process.arch}`;
  const { requirements, manifests } = require(path.join(home, 'script/install-metadata.js'));
  return (requirements[platform] ?? []).flatMap((name) =>
    Object.keys(manifests[`${platform}:${name}`]).map((file) =>
      path.join(home, 'bin/napi-v6', platform, file),
    ),
  );
}
