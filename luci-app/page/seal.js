/* messages and pick-ups: SPEC.md, sections 1 and 5 */
const ascii = s => new TextEncoder().encode(s);
const bytes = (...parts) => Uint8Array.from(parts.flatMap(p => [...p]));
const primes = [];
for (let p = 2; primes.length < 64; p++) if (primes.every(q => p % q)) primes.push(p);
const H = primes.slice(0, 8).map(p => Math.sqrt(p) % 1 * 2 ** 32 | 0), K = primes.map(p => Math.cbrt(p) % 1 * 2 ** 32 | 0);

/* http: pages have no crypto.subtle */
function sha256(m) {
	const p = new Uint8Array((m.length + 72) & ~63), v = new DataView(p.buffer), w = [], h = [...H];
	const r = (x, n) => x >>> n | x << (32 - n);
	p.set(m);
	p[m.length] = 128;
	v.setUint32(p.length - 4, m.length * 8);
	for (let at = 0; at < p.length; at += 64) {
		let [a, b, c, d, e, f, g, z] = h;
		for (let i = 0; i < 64; i++) {
			const x = w[i - 15], y = w[i - 2];
			w[i] = i < 16 ? v.getInt32(at + 4 * i) : w[i - 16] + w[i - 7] + (r(x, 7) ^ r(x, 18) ^ x >>> 3) + (r(y, 17) ^ r(y, 19) ^ y >>> 10) | 0;
			const t = z + (r(e, 6) ^ r(e, 11) ^ r(e, 25)) + (e & f ^ ~e & g) + K[i] + w[i] | 0;
			const u = (r(a, 2) ^ r(a, 13) ^ r(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
			[z, g, f, e, d, c, b, a] = [g, f, e, d + t | 0, c, b, a, t + u | 0];
		}
		[a, b, c, d, e, f, g, z].forEach((x, i) => h[i] = h[i] + x | 0);
	}
	h.forEach((x, i) => v.setInt32(4 * i, x));
	return p.slice(0, 32);
}

function hmac(key, m) {
	const pad = x => Uint8Array.from({length: 64}, (_, i) => key[i] ^ x);
	return sha256(bytes(pad(0x5c), sha256(bytes(pad(0x36), m))));
}

const big = (n, size) => Array.from({length: size}, (_, i) => Math.floor(n / 256 ** (size - 1 - i)) % 256);
const doorTag = name => sha256(ascii('latchkey door\0' + name)).slice(0, 2);
const makeBody = (stamp, door, close, minutes) => bytes(big(stamp, 6), doorTag(door), [close ? 1 : 0, minutes]);

function seal(key, body) {
	const [kh, kt, ke] = ['hint', 'tag', 'box'].map(s => hmac(key, ascii('latchkey1 ' + s)));
	const stamp = body.slice(0, 6).reduce((n, b) => n * 256 + b, 0);
	const hint = hmac(kh, big(Math.floor(stamp / 60000), 8)).slice(0, 3);
	const tag = hmac(kt, bytes(hint, body)).slice(0, 11);
	const pad = hmac(ke, tag);
	return bytes(hint, tag, body.map((b, i) => b ^ pad[i]));
}

/* pick-up: SPEC.md, section 5 */
const derive = (code, label) => hmac(code, ascii('latchkey1 pickup ' + label));
const pickupName = code => Array.from(derive(code, 'name').slice(0, 16), b => (b + 256).toString(16).slice(1)).join('');

function unseal(code, sealed) {
	const tag = sealed.slice(0, 16), ke = derive(code, 'box');
	let pad;
	const text = sealed.slice(16).map((b, i) => b ^ (i % 32 ? pad : pad = hmac(ke, bytes(tag, big(i / 32, 4))))[i % 32]);
	if (hmac(derive(code, 'tag'), text).slice(0, 16).join() !== tag.join()) throw Error();
	return new TextDecoder().decode(text);
}

const unbase64 = s => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt());
const base64 = b => btoa(String.fromCharCode(...b)).replace(/=+$/, '');
const slots = (base, message) => Array.from(message, (b, i) => base + 256 * i + b);

/* the first stamps of a press, given those of the presses so far; each has 100 of its own: SPEC.md, "Once" */
function presses(now, used) {
	const free = t => used.reduce((t, u) => u < t + 200 && t < u + 200 ? u + 200 : t, t), starts = [Math.max(now, ...used.map(u => u + 200))];
	if (starts[0] > now + 1000)
		for (const t of [...used.filter(u => u > now && u < now + 18e4).slice(-2).reverse(), now])
			if (free(t) + 200 <= starts[0]) starts.unshift(free(t));
	return starts;
}
