import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import forge from 'node-forge';

/** Who signs certificates, in a test. */
export interface Authority {
  /** File with its own certificate. */
  readonly ca: string;
  /** Writes a certificate for localhost and an address, 127.0.0.1 by default, and its key; expired where `days` is negative. */
  issue(name: string, days?: number, address?: string): Promise<{ cert: string; key: string }>;
}

const DAY_MS = 24 * 3600_000;

/** Makes an authority whose files lie in a folder. Keys are made here and now: none is ever committed. */
export async function createAuthority(folder: string, name: string): Promise<Authority> {
  const own = newKeys();
  const ca = path.join(folder, `${name}.pem`);
  const certificate = certificateOf(name, own.publicKey, 1, [{ name: 'basicConstraints', cA: true }]);
  certificate.setIssuer([{ name: 'commonName', value: name }]);
  certificate.sign(own.privateKey, forge.md.sha256.create());
  await writeFile(ca, forge.pki.certificateToPem(certificate));
  return {
    ca,
    async issue(subject, days = 1, address = '127.0.0.1') {
      const keys = newKeys();
      const issued = certificateOf(subject, keys.publicKey, days, [
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'localhost' },
            { type: 7, ip: address },
          ],
        },
      ]);
      issued.setIssuer(certificate.subject.attributes);
      issued.sign(own.privateKey, forge.md.sha256.create());
      const [cert, key] = [path.join(folder, `${subject}.cert.pem`), path.join(folder, `${subject}.key.pem`)];
      await writeFile(cert, forge.pki.certificateToPem(issued));
      await writeFile(key, keys.pem);
      return { cert, key };
    },
  };
}

function newKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const key = forge.pki.privateKeyFromPem(pem);
  return { pem, privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) };
}

function certificateOf(name: string, key: forge.pki.rsa.PublicKey, days: number, extensions: object[]) {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = key;
  certificate.serialNumber = `01${randomBytes(8).toString('hex')}`;
  certificate.validity.notBefore = new Date(Date.now() - 2 * DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + days * DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: name }]);
  certificate.setExtensions(extensions);
  return certificate;
}
