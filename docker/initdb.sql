-- Run by the image when it makes a new cluster.
CREATE EXTENSION cipherhorizon;
