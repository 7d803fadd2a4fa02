# Cython names what a module depends on from its working directory; ninja would look for it below the
# build's folder, not find it, and build every module each time.
file(READ "${DEPFILE}" text)
string(REGEX REPLACE "\n( *)([^/ \n])" "\n\\1${ROOT}/\\2" text "\n${text}")
string(STRIP "${text}" text)
file(WRITE "${DEPFILE}" "${text}\n")
