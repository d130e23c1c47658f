/**
 * Certificates with an intermediate between them and their root, for tests; valid for a hundred years, trusted by nobody.
 * Made once, so that tests need no openssl.
 */
import type { TestCertificate } from './certificates.ts';

/** The root. */
export const chainRoot = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUB1vJQ1L0bx8+IxYFm/dZdbOa59MwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPQ2hhaW4gVGVzdCBSb290MCAXDTI2MTEyMjE2MzEyMloYDzIx
MjYxMDI5MTYzMTIyWjAaMRgwFgYDVQQDDA9DaGFpbiBUZXN0IFJvb3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAQDhRTBeJ2tGrKEvOrB3hNqQaNSaVcMlZESfZ95
SS3Rrq/164nGQyUrSMtlpLtRaAXqvScSygzc366Bej3jAUAbo2MwYTAdBgNVHQ4E
FgQUKFFJmKvBCvZryEmRAh7914RaZwEwHwYDVR0jBBgwFoAUKFFJmKvBCvZryEmR
Ah7914RaZwEwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZI
zj0EAwIDSQAwRgIhAPNWksWb62zvFddqU3bDzXDnr0jZeSjQBuW4ldt8GcDTAiEA
nSN2C840yxzwDTulXtp4r/8O5+AaclsCY/q7NdqxOsA=
-----END CERTIFICATE-----`;

/** Signed by the root; signs the others. */
export const chainIntermediate = `-----BEGIN CERTIFICATE-----
MIIBuzCCAWGgAwIBAgIUHvz63SE2PoHMyd5dK5tGND1nZXcwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPQ2hhaW4gVGVzdCBSb290MCAXDTI2MTEyMjE2MzEyMloYDzIx
MjYxMDI5MTYzMTIyWjA3MRMwEQYDVQQKDApDaGFpbiBUZXN0MSAwHgYDVQQDDBdD
aGFpbiBUZXN0IEludGVybWVkaWF0ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BO/SteyAJa4sRbxIzm0OXHorFQp3XZHU9N3pzsWXS6d9XW/D88C+8rpH8gqZIxEW
YEtY9M5Q16FmphnVUCEBUmGjZjBkMBIGA1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0P
AQH/BAQDAgEGMB0GA1UdDgQWBBQ+YTqYklI0kkD80GvkYmdRxJpgkjAfBgNVHSME
GDAWgBQoUUmYq8EK9mvISZECHv3XhFpnATAKBggqhkjOPQQDAgNIADBFAiAapLK9
NImKkMV6U+SrHLazk8KcOtgpPK2UBBN/ccNiKQIhAJX/PMPy3zIx4UnJS79D7IZE
ctrHE/OFZX97bQ5b8zqu
-----END CERTIFICATE-----`;

const serverLeaf = `-----BEGIN CERTIFICATE-----
MIIBvjCCAWWgAwIBAgIUL066cBt7VrIUvhpJjXn4tE6dx9gwCgYIKoZIzj0EAwIw
NzETMBEGA1UECgwKQ2hhaW4gVGVzdDEgMB4GA1UEAwwXQ2hhaW4gVGVzdCBJbnRl
cm1lZGlhdGUwIBcNMjYxMTIyMTYzMTIyWhgPMjEyNjEwMjkxNjMxMjJaMBIxEDAO
BgNVBAMMB214LnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARzI3yt6X3m
imD3dLFliCwbxeKcJkhxS86ezLAtbeF/nKOTXXkR4XNjgeco0DHfdjmj0vfyRcPf
a3CIfc2twJXHo3IwcDAJBgNVHRMEAjAAMCMGA1UdEQQcMBqCB214LnRlc3SCCWxv
Y2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQUAcBUJESlaU55aUWpiB4OODPmLuYwHwYD
VR0jBBgwFoAUPmE6mJJSNJJA/NBr5GJnUcSaYJIwCgYIKoZIzj0EAwIDRwAwRAIg
DCEB7zN8DhhwAqRMDF+2GLv5gKDQ+jCJPTzDQETtGhsCIE5GTprDdakSqemrXBBO
NR0dkvaxsiMwVkXDzCGfRiRU
-----END CERTIFICATE-----`;

const serverKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGBEuzX4r9BtOJe/g
13PLFIYJYUG7n/SNv8POJ94ZiXyhRANCAARzI3yt6X3mimD3dLFliCwbxeKcJkhx
S86ezLAtbeF/nKOTXXkR4XNjgeco0DHfdjmj0vfyRcPfa3CIfc2twJXH
-----END PRIVATE KEY-----`;

const insideLeaf = `-----BEGIN CERTIFICATE-----
MIIBwjCCAWigAwIBAgIUL066cBt7VrIUvhpJjXn4tE6dx9kwCgYIKoZIzj0EAwIw
NzETMBEGA1UECgwKQ2hhaW4gVGVzdDEgMB4GA1UEAwwXQ2hhaW4gVGVzdCBJbnRl
cm1lZGlhdGUwIBcNMjYxMTIyMTYzMTIyWhgPMjEyNjEwMjkxNjMxMjJaMBwxGjAY
BgNVBAMMEWluc2lkZS5yZWxheS50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAE3iS8Dfwg0NuvwP2db8H209IHdpJiHmBQVna/FrEe8JW8rM1XESauVpfBCd9X
puvFSEJtkQrpAVYZbj/0nZ5EQ6NrMGkwCQYDVR0TBAIwADAcBgNVHREEFTATghFp
bnNpZGUucmVsYXkudGVzdDAdBgNVHQ4EFgQUPYjkhXAmeI6grbsvupPLF57f0Fsw
HwYDVR0jBBgwFoAUPmE6mJJSNJJA/NBr5GJnUcSaYJIwCgYIKoZIzj0EAwIDSAAw
RQIhALJx7HQPIQ5GNAeuDOprGoRR3XUcH1pzNbSDY57kAwzqAiA6WVSGQmZA+782
CDO7qwdo4D9MrLtKDguMV+a0U9S5BA==
-----END CERTIFICATE-----`;

const insideKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvAXFoJN6+TH4//rB
KLRhq76PFllInn1SnHbSD/UzBoahRANCAATeJLwN/CDQ26/A/Z1vwfbT0gd2kmIe
YFBWdr8WsR7wlbyszVcRJq5Wl8EJ31em68VIQm2RCukBVhluP/SdnkRD
-----END PRIVATE KEY-----`;

const outsideLeaf = `-----BEGIN CERTIFICATE-----
MIIBxDCCAWqgAwIBAgIUL066cBt7VrIUvhpJjXn4tE6dx9owCgYIKoZIzj0EAwIw
NzETMBEGA1UECgwKQ2hhaW4gVGVzdDEgMB4GA1UEAwwXQ2hhaW4gVGVzdCBJbnRl
cm1lZGlhdGUwIBcNMjYxMTIyMTYzMTIyWhgPMjEyNjEwMjkxNjMxMjJaMB0xGzAZ
BgNVBAMMEm91dHNpZGUucmVsYXkudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABL1ryXL+EHSYhD8uRQeRVgLuHqcUq9/d4HUSwgR0oOP6xcupDvMCbZeA1uai
0GYG0cnnK94zeWAwaBx7pYhB89+jbDBqMAkGA1UdEwQCMAAwHQYDVR0RBBYwFIIS
b3V0c2lkZS5yZWxheS50ZXN0MB0GA1UdDgQWBBTIK+No5s8hfVvACHmQ+ed77EhI
bDAfBgNVHSMEGDAWgBQ+YTqYklI0kkD80GvkYmdRxJpgkjAKBggqhkjOPQQDAgNI
ADBFAiEA77qxGhKN+vV7usYf1l/0qFI4MXwWd07hGNouN/JQbW4CIG99N6cmSImy
xljzi4TOzzRcUQoNZCPlqorgq26GuqzN
-----END CERTIFICATE-----`;

const outsideKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCjYjD/hUS9hiFMX5
NoD0g+/hyIjFszHybwSx1/IpyIChRANCAAS9a8ly/hB0mIQ/LkUHkVYC7h6nFKvf
3eB1EsIEdKDj+sXLqQ7zAm2XgNbmotBmBtHJ5yveM3lgMGgce6WIQfPf
-----END PRIVATE KEY-----`;

const chained = (leaf: string, key: string): TestCertificate => ({ cert: `${leaf}\n${chainIntermediate}\n`, key });

/** For mx.test, localhost and 127.0.0.1, with its intermediate. */
export const chainedServer = chained(serverLeaf, serverKey);
/** The same as somebody sets it up who forgot the intermediate. */
export const serverWithoutIntermediate: TestCertificate = { cert: serverLeaf, key: serverKey };
/** Two identities of one relay, for inside.relay.test and outside.relay.test. */
export const insideIdentity = chained(insideLeaf, insideKey);
export const outsideIdentity = chained(outsideLeaf, outsideKey);
