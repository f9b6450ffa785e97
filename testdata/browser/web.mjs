// SPDX-License-Identifier: Apache-2.0

// An https server for the app, with a certificate that the test's browsers are told to trust.

import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../..', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.png': 'image/png' };

/** Makes the app with the project's own command, and returns its files: name -> bytes. */
export function makeSite() {
	const folder = mkdtempSync(join(tmpdir(), 'latchkey-site-'));
	try {
		execFileSync('go', ['run', './cross/site', '-out', folder], { cwd: project });
		return new Map(readdirSync(folder).map(name => [name, readFileSync(join(folder, name))]));
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** A key and a certificate for this machine, and the hash of its public key, for a browser's `trust`. */
export function makeCertificate() {
	const folder = mkdtempSync(join(tmpdir(), 'latchkey-certificate-'));
	try {
		execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=latchkey.test',
			'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')], { stdio: 'ignore' });
		const cert = readFileSync(join(folder, 'cert'));
		const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
		return { key: readFileSync(join(folder, 'key')), cert, trust: createHash('sha256').update(spki).digest('base64') };
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/**
 * Serves files (name -> bytes; may be changed while it runs) below a folder, on loopback, at a port or at any. The result has url, asked (the
 * paths that were asked for) and close(), which ends open connections, too.
 */
export async function serveSite(files, { key, cert }, port = 0) {
	const asked = [], folder = '/some/folder/';
	const server = createServer({ key, cert }, (request, response) => {
		const path = request.url.replace(/\?.*/, '');
		asked.push(request.url);
		const name = path.startsWith(folder) && (path.slice(folder.length) || 'index.html'), content = files.get(name);
		response.writeHead(content ? 200 : 404, content && { 'Content-Type': types[extname(name)] ?? 'text/plain' });
		response.end(content);
	});
	await new Promise(done => server.listen(port, '127.0.0.1', done));
	return {
		asked,
		url: `https://127.0.0.1:${server.address().port}${folder}`,
		close() {
			server.close();
			server.closeAllConnections();
		},
	};
}
