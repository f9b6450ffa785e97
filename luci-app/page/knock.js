/* what leaves this device */
const secure = location.protocol === 'https:'; /* then http: is forbidden */

/* A browser would keep a web server's connection, and take that for an answer when the door is shut. So it is spoken to in the wrong way. */
const schemeFor = service => secure || service === 'http' ? 'https' : 'http';

/* Chromium keeps the sockets of what was not answered for two minutes, although the page gave it up: two for each port, of 256. What is
   counted here stays below; else nothing at all would leave, and a probe would take that for silence. Others free them, and have more. */
const sockets = {
	most: window.chrome ? 250 : 800, held: [],
	take() { this.held.push(...Array(2).fill(Date.now() + 130e3)); },
	give() { this.held.splice(-2); },
	left() { return this.most - (this.held = this.held.filter(until => until > Date.now())).length; },
};

/* resolves when something came back from a port; a browser may also tell that it cannot get there */
function connect(host, port, signal, scheme = schemeFor(''), how = {}) {
	sockets.take();
	return fetch(`${scheme}://${inURL(host)}:${port}`, {mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal, ...how}).catch(() => {})
		.then(() => signal.aborted ? new Promise(() => {}) : sockets.give());
}

/* a redirection would be followed, to where nothing may answer, and cannot be refused without CORS */
const probe = {mode: 'cors', redirect: 'error'};

/* tries a port of each host for 3 s, or until it is stopped; came: host -> the ms after which something came back */
function watch(hosts, port, service) {
	const stop = new AbortController(), begun = performance.now(), w = {came: {}, age: () => performance.now() - begun, stop: () => stop.abort()};
	for (const host of hosts) connect(host, port, stop.signal, schemeFor(service), probe).then(() => { w.came[host] = w.age(); });
	setTimeout(w.stop, 3000);
	return w;
}

/* what two watches saw by now, as judge wants it */
const seen = (hosts, door, other) => Object.fromEntries(hosts.map(h => [h, {door: door.came[h], other: other.came[h]}]));

/* an ICE check for each port, whose user name is the message; those of one foundation wait for each other */
async function check(router, address, token) {
	const pc = new RTCPeerConnection();
	setTimeout(() => pc.close(), 1600);
	const sdp = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sctp-port:5000',
		'a=setup:actpass', 'a=ice-ufrag:' + token, 'a=ice-pwd:' + token, 'a=fingerprint:sha-256' + ':00'.repeat(32).replace(':', ' '), ''].join('\r\n');
	await pc.setRemoteDescription({type: 'offer', sdp});
	await pc.setLocalDescription(await pc.createAnswer());
	await Promise.any(router.u.map(port => pc.addIceCandidate({candidate: `candidate:${port} 1 udp 9 ${address} ${port} typ host`, sdpMid: '0'})));
}

/* SYNs; the router begins with those of the hint */
function syns(host, ports) {
	const stop = new AbortController(), send = port => connect(host, port, stop.signal);
	ports.slice(0, 3).forEach(send);
	setTimeout(() => ports.slice(3).forEach(send), 50);
	setTimeout(() => stop.abort(), 3000);
}

const canCheck = router => router.u[0] && window.RTCPeerConnection;
const stampName = router => base64(sha256(router.k).slice(0, 6));

function usedStamps(router) {
	return router.used = [...new Set([...router.used || [], ...store.stamps(stampName(router))])].filter(u => u > 0 && u < 2 ** 47).sort((a, b) => a - b).slice(-64);
}

/* where the clock was ahead and has been set, each message goes out with more than one stamp */
function knock(router, ...wish) {
	const starts = presses(Date.now(), usedStamps(router));
	router.used.push(...starts);
	store.keep(stampName(router), usedStamps(router));
	starts.forEach((first, i) => setTimeout(() => knockOnce(router, first, wish), 1000 * i));
}

/* one message for each check, and one for the SYNs to each host */
function knockOnce(router, stamp, wish) {
	const {a, h, p} = router, message = () => seal(router.k, makeBody(stamp++, ...wish));
	if (canCheck(router)) for (const to of h ? [...a, h] : a) check(router, to, base64(message())).catch(() => {});
	for (const to of synHosts(router)) syns(to, slots(p, message()));
}

/* where SYNs go to: two addresses of one family would mix theirs, and where checks go out, the last sockets are for probes */
function synHosts({a, h, p, u}) {
	const hosts = h ? [h] : [a.find(x => /:/.test(x)), a.find(x => !/:/.test(x))].filter(x => x);
	return p && (!canCheck({u}) || sockets.left() > 48 * hosts.length + 60) ? hosts : [];
}

/* Firefox calls itself online without any network. ICE then has nothing to say, not even that it has found nothing. */
async function offline() {
	if (!navigator.onLine) return true;
	if (!window.RTCPeerConnection) return false;
	const pc = new RTCPeerConnection();
	try {
		const found = new Promise(done => { pc.onicecandidate = () => done(false); });
		pc.createDataChannel('');
		await pc.setLocalDescription(await pc.createOffer());
		return await Promise.race([found, sleep(1500).then(() => true)]);
	} catch {
		return false;
	} finally {
		pc.close();
	}
}

const sleep = ms => new Promise(done => setTimeout(done, ms));
